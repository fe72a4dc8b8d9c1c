// plain_lanes<Real, W>: W numbers as a plain array, with the operations of lanes<Real, W> (core/lanes.hpp), on hosts and devices and with any
// compiler. What one thread of a team handles at once (backend/cuda/team_group.hpp): as many numbers as a load of 16 bytes holds,
// team_lanes<Real>. Formulas over lanes run over these as they are; the index is plain_lane_index<W>.
// Memory is moved in one access where its address allows it, else in two of half the size, and so on: the same decision for all members of a
// team that walk a row together, and the same numbers either way.
// Laws (tests/core/plain_lanes.cpp): every operation is that of its numbers; reads and writes are those of single indices at any address.
#pragma once

#include <dimix/core/lanes.hpp>

namespace dimix {

inline namespace DIMIX_TARGET {

/// The indices first, ..., first + W - 1.
template <int W>
struct plain_lane_index {
  index_t first;
};

template <class Real, int W>
struct plain_lanes {
  struct mask {
    bool each[W];

    DIMIX_HD friend mask operator&&(mask a, mask b) {
      for (int w = 0; w < W; ++w) a.each[w] = a.each[w] && b.each[w];
      return a;
    }
    DIMIX_HD friend mask operator||(mask a, mask b) {
      for (int w = 0; w < W; ++w) a.each[w] = a.each[w] || b.each[w];
      return a;
    }
    DIMIX_HD friend mask operator!(mask a) {
      for (int w = 0; w < W; ++w) a.each[w] = !a.each[w];
      return a;
    }
    DIMIX_HD friend bool any(mask a) {
      bool found = false;
      for (int w = 0; w < W; ++w) found = found || a.each[w];
      return found;
    }
    DIMIX_HD friend plain_lanes select(mask condition, plain_lanes yes, plain_lanes no) {
      for (int w = 0; w < W; ++w) no.each[w] = condition.each[w] ? yes.each[w] : no.each[w];
      return no;
    }
  };

  static constexpr int width = W;
  Real each[W];

  plain_lanes() = default;
  DIMIX_HD plain_lanes(Real x) {
    for (int w = 0; w < W; ++w) each[w] = x;
  }

  DIMIX_HD Real operator[](int w) const { return each[w]; }

  DIMIX_HD friend plain_lanes operator-(plain_lanes a) {
    for (int w = 0; w < W; ++w) a.each[w] = -a.each[w];
    return a;
  }
  DIMIX_HD friend plain_lanes operator+(plain_lanes a, plain_lanes b) {
    for (int w = 0; w < W; ++w) a.each[w] += b.each[w];
    return a;
  }
  DIMIX_HD friend plain_lanes operator-(plain_lanes a, plain_lanes b) {
    for (int w = 0; w < W; ++w) a.each[w] -= b.each[w];
    return a;
  }
  DIMIX_HD friend plain_lanes operator*(plain_lanes a, plain_lanes b) {
    for (int w = 0; w < W; ++w) a.each[w] *= b.each[w];
    return a;
  }
  DIMIX_HD friend plain_lanes operator/(plain_lanes a, plain_lanes b) {
    for (int w = 0; w < W; ++w) a.each[w] /= b.each[w];
    return a;
  }
  DIMIX_HD plain_lanes& operator+=(plain_lanes a) { return *this = *this + a; }
  DIMIX_HD plain_lanes& operator-=(plain_lanes a) { return *this = *this - a; }

  DIMIX_HD friend mask operator==(plain_lanes a, plain_lanes b) {
    mask result;
    for (int w = 0; w < W; ++w) result.each[w] = a.each[w] == b.each[w];
    return result;
  }
  DIMIX_HD friend mask operator!=(plain_lanes a, plain_lanes b) { return !(a == b); }
  DIMIX_HD friend mask operator<(plain_lanes a, plain_lanes b) {
    mask result;
    for (int w = 0; w < W; ++w) result.each[w] = a.each[w] < b.each[w];
    return result;
  }
  DIMIX_HD friend mask operator>(plain_lanes a, plain_lanes b) { return b < a; }
  DIMIX_HD friend mask operator<=(plain_lanes a, plain_lanes b) {
    mask result;
    for (int w = 0; w < W; ++w) result.each[w] = a.each[w] <= b.each[w];
    return result;
  }
  DIMIX_HD friend mask operator>=(plain_lanes a, plain_lanes b) { return b <= a; }

  DIMIX_HD friend plain_lanes larger(plain_lanes a, plain_lanes b) { return select(a < b, b, a); }
  DIMIX_HD friend plain_lanes smaller(plain_lanes a, plain_lanes b) { return select(b < a, b, a); }

  DIMIX_HD friend plain_lanes exp(plain_lanes x) {
    using std::exp;
    for (int w = 0; w < W; ++w) x.each[w] = exp(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes log(plain_lanes x) {
    using std::log;
    for (int w = 0; w < W; ++w) x.each[w] = log(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes log1p(plain_lanes x) {
    using std::log1p;
    for (int w = 0; w < W; ++w) x.each[w] = log1p(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes expm1(plain_lanes x) {
    using std::expm1;
    for (int w = 0; w < W; ++w) x.each[w] = expm1(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes tanh(plain_lanes x) {
    using std::tanh;
    for (int w = 0; w < W; ++w) x.each[w] = tanh(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes one_minus_log1p_over(plain_lanes x) {
    for (int w = 0; w < W; ++w) x.each[w] = dimix::one_minus_log1p_over(x.each[w]);
    return x;
  }
  DIMIX_HD friend plain_lanes product_or_zero(plain_lanes x, plain_lanes y) {
    for (int w = 0; w < W; ++w) x.each[w] = dimix::product_or_zero(x.each[w], y.each[w]);
    return x;
  }
};

template <class Real, int W>
struct number_at<Real, plain_lane_index<W>> {
  using type = plain_lanes<Real, W>;
};

template <class Real, int W>
DIMIX_HD typename plain_lanes<Real, W>::mask equals(plain_lane_index<W> i, index_t k) {
  typename plain_lanes<Real, W>::mask result;
  for (int w = 0; w < W; ++w) result.each[w] = i.first + w == k;
  return result;
}
template <class Real, int W>
DIMIX_HD plain_lanes<Real, W> number_of(plain_lane_index<W> i) {
  plain_lanes<Real, W> result;
  for (int w = 0; w < W; ++w) result.each[w] = static_cast<Real>(i.first + w);
  return result;
}

/// n elements of memory, moved at once.
template <class T, int n>
struct alignas(n * sizeof(T)) elements {
  T each[n];
};
/// W elements of memory from and to registers, n at once where the address allows it, else half as many.
template <int n, int W, class T>
DIMIX_HD void load(const T* from, T* to) {
  if constexpr (n == 1) {
    for (int w = 0; w < W; ++w) to[w] = from[w];
  } else if (reinterpret_cast<std::uintptr_t>(from) % sizeof(elements<T, n>) != 0) {
    load<n / 2, W>(from, to);
  } else {
    for (int w = 0; w < W; w += n) {
      const auto part = *reinterpret_cast<const elements<T, n>*>(from + w);
      for (int j = 0; j < n; ++j) to[w + j] = part.each[j];
    }
  }
}
template <int n, int W, class T>
DIMIX_HD void store(const T* from, T* to) {
  if constexpr (n == 1) {
    for (int w = 0; w < W; ++w) to[w] = from[w];
  } else if (reinterpret_cast<std::uintptr_t>(to) % sizeof(elements<T, n>) != 0) {
    store<n / 2, W>(from, to);
  } else {
    for (int w = 0; w < W; w += n) {
      elements<T, n> part;
      for (int j = 0; j < n; ++j) part.each[j] = from[w + j];
      *reinterpret_cast<elements<T, n>*>(to + w) = part;
    }
  }
}

/// W elements from i.first on.
template <class Real, class T, class Space, int W>
DIMIX_HD plain_lanes<Real, W> read(const view<T, 1, Space>& from, plain_lane_index<W> i) {
  std::remove_const_t<T> stored[W];
  load<W, W>(from.data() + i.first, stored);
  plain_lanes<Real, W> result;
  for (int w = 0; w < W; ++w) result.each[w] = static_cast<Real>(stored[w]);
  return result;
}
template <class T, class Space, class Real, int W>
DIMIX_HD void write(const view<T, 1, Space>& to, plain_lane_index<W> i, plain_lanes<Real, W> x) {
  T stored[W];
  for (int w = 0; w < W; ++w) stored[w] = static_cast<T>(x.each[w]);
  store<W, W>(stored, to.data() + i.first);
}

/// Numbers of one member of a team, 16 bytes of them.
template <class Real>
inline constexpr int team_lanes = 16 / static_cast<int>(sizeof(Real));

}  // namespace DIMIX_TARGET
}  // namespace dimix
