// Errors of callers: a sentence that names the argument and its value, thrown at the public function that was called.
//
//   expects(t >= 0 && t <= 1, "corrupt: t[", b, "] = ", t, " lies outside [0, 1]");
//
// The message is put together only when the check fails. Row bodies and kernels do not throw: what they cannot know
// (a non-finite logit, a token out of range) is checked on the host before or after them.
#pragma once

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace dimix {

/// Every exception of the library.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A call that breaks a documented condition: shape, range, count.
struct invalid_argument : error {
  using error::error;
};

/// A file that is missing, damaged, foreign or cannot be written.
struct file_error : error {
  using error::error;
};

/// A computation that left the finite numbers: non-finite logits, a target of probability zero, a diverging training.
struct numeric_error : error {
  using error::error;
};

/// A NaN without its sign, which says nothing.
template <class Part>
decltype(auto) printed(const Part& part) {
  if constexpr (std::is_floating_point_v<Part>)
    return std::isnan(part) ? std::abs(part) : part;
  else
    return (part);
}

template <class Error = invalid_argument, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  message.precision(9);
  (message << ... << printed(parts));
  throw Error(message.str());
}

template <class Error = invalid_argument, class... Parts>
void expects(bool condition, const Parts&... parts) {
  if (!condition) fail<Error>(parts...);
}

}  // namespace dimix
