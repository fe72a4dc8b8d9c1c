// pack<Ts...>: values of several types side by side. one_of<Ts...>: a value of one of several types, and which. Both are trivially copyable
// where the types are, which std::tuple and std::variant are not, and run on a device.
//   p.visit(i, f)   f(the i-th value)
//   p.each(f)       f(every value), in order
//   map(p, f)       the pack of f(every value); host only
//   pick(p, i, f)   one_of the results of f(value, its number as a type), the i-th;  pick(o, f) the same of the value
//   o.visit(f)      f(the value);  o.get<Which>() the value, which has to be the Which-th
// f of visit returns the same type for every alternative. An i beyond the last means the last.
#pragma once

#include <dimix/config.hpp>

#include <type_traits>
#include <utility>

namespace dimix {

template <int Which>
using number = std::integral_constant<int, Which>;

/// The memory of a one_of. By default made at run time: of a constant nvcc 13.0 makes a global that its own back end refuses ("Invalid bitcast").
template <class First, class... Rest>
union overlay {
  First first;
  overlay<Rest...> rest;

  DIMIX_HD overlay() : first{} {}
  template <class T>
  DIMIX_HD constexpr overlay(number<0>, const T& value) : first(value) {}
  template <int Which, class T>
  DIMIX_HD constexpr overlay(number<Which>, const T& value) : rest(number<Which - 1>{}, value) {}
};
template <class Last>
union overlay<Last> {
  Last first;

  DIMIX_HD overlay() : first{} {}
  template <class T>
  DIMIX_HD constexpr overlay(number<0>, const T& value) : first(value) {}
};

template <class... Ts>
class one_of {
 public:
  /// The first alternative, value-initialised.
  one_of() = default;
  template <int Which, class T>
  DIMIX_HD constexpr one_of(number<Which> which, const T& value) : value_(which, value), which_(Which) {}

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) visit(const F& f) const {
    return visit_from(value_, which_, f);
  }
  template <int Which>
  DIMIX_HD const auto& get() const {
    return get_from<Which>(value_);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Result, class F>
  DIMIX_HD Result pick_into(const F& f) const {
    return pick_from<Result, 0>(value_, which_, f);
  }

 private:
  DIMIX_EXEC_CHECK_DISABLE
  template <class First, class... Rest, class F>
  DIMIX_HD static decltype(auto) visit_from(const overlay<First, Rest...>& at, int which, const F& f) {
    if constexpr (sizeof...(Rest) > 0)
      if (which > 0) return visit_from(at.rest, which - 1, f);
    return f(at.first);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Result, int Which, class First, class... Rest, class F>
  DIMIX_HD static Result pick_from(const overlay<First, Rest...>& at, int which, const F& f) {
    if constexpr (sizeof...(Rest) > 0)
      if (which > 0) return pick_from<Result, Which + 1>(at.rest, which - 1, f);
    return {number<Which>{}, f(at.first, number<Which>{})};
  }
  template <int Which, class Overlay>
  DIMIX_HD static const auto& get_from(const Overlay& at) {
    if constexpr (Which == 0)
      return at.first;
    else
      return get_from<Which - 1>(at.rest);
  }

  overlay<Ts...> value_{};
  int which_ = 0;
};

template <class... Ts>
struct pack;

template <class Last>
struct pack<Last> {
  [[no_unique_address]] Last first;

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) visit(int, const F& f) const {
    return f(first);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void each(const F& f) const {
    f(first);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Result, int Which, class F>
  DIMIX_HD Result pick_into(int, const F& f) const {
    return {number<Which>{}, f(first, number<Which>{})};
  }
};

template <class First, class... Rest>
requires(sizeof...(Rest) > 0) struct pack<First, Rest...> {
  [[no_unique_address]] First first;
  [[no_unique_address]] pack<Rest...> rest;

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) visit(int i, const F& f) const {
    if (i > 0) return rest.visit(i - 1, f);
    return f(first);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void each(const F& f) const {
    f(first);
    rest.each(f);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Result, int Which, class F>
  DIMIX_HD Result pick_into(int i, const F& f) const {
    if (i > 0) return rest.template pick_into<Result, Which + 1>(i - 1, f);
    return {number<Which>{}, f(first, number<Which>{})};
  }
};

template <class Last>
pack<Last> make_pack(const Last& last) {
  return {last};
}
template <class First, class Second, class... Rest>
pack<First, Second, Rest...> make_pack(const First& first, const Second& second, const Rest&... rest) {
  return {first, make_pack(second, rest...)};
}

/// Inlined, for where it is not g++ warns of a pack of empty values, which have no bytes to write, as not initialised.
template <class First, class... Rest, class F>
[[gnu::always_inline]] inline auto map(const pack<First, Rest...>& values, const F& f) {
  if constexpr (sizeof...(Rest) == 0) {
    return pack<decltype(f(values.first))>{f(values.first)};
  } else {
    const auto others = map(values.rest, f);
    return [&]<class... Results>(const pack<Results...>&) {
      return pack<decltype(f(values.first)), Results...>{f(values.first), others};
    }(others);
  }
}

template <class F, class Numbers, class... Ts>
struct picked;
template <class F, int... Which, class... Ts>
struct picked<F, std::integer_sequence<int, Which...>, Ts...> {
  using type = one_of<std::decay_t<decltype(std::declval<const F&>()(std::declval<const Ts&>(), number<Which>{}))>...>;
};
template <class F, class... Ts>
using picked_t = typename picked<F, std::make_integer_sequence<int, sizeof...(Ts)>, Ts...>::type;

DIMIX_EXEC_CHECK_DISABLE
template <class... Ts, class F>
DIMIX_HD auto pick(const pack<Ts...>& values, int i, const F& f) {
  return values.template pick_into<picked_t<F, Ts...>, 0>(i, f);
}
DIMIX_EXEC_CHECK_DISABLE
template <class... Ts, class F>
DIMIX_HD auto pick(const one_of<Ts...>& value, const F& f) {
  return value.template pick_into<picked_t<F, Ts...>>(f);
}

}  // namespace dimix
