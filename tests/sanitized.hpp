// Whether a sanitizer watches. It looks at memory and threads, which the first draws and elements show as well as the last ones: laws take
// an eighth of them there.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
