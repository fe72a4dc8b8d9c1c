# dimix_development: the flags of our own programs (warnings, sanitizers). Users of the library never get them.
#   dimix_optimise(target)   -O3 and, with DIMIX_NATIVE, every instruction of this machine: for examples and benchmarks
add_library(dimix_development INTERFACE)

set(warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND warnings -Wno-restrict)  # false alarms inside std::string (GCC bug 105329)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND warnings -fconcepts-diagnostics-depth=3)
  # A compiler that ends within the minute need not look for memory to use again: 5 % of its time, for 140 MB at most.
  target_compile_options(dimix_development INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-expand=10000 --param ggc-min-heapsize=1000000>")
endif()
# nvcc's host pass writes code that breaks -Wpedantic, and its line directives too.
set(cuda_warnings -Xcompiler=-Wall,-Wextra)
if(DIMIX_WARNINGS_AS_ERRORS)
  list(APPEND warnings -Werror)
  list(APPEND cuda_warnings -Werror=all-warnings -Xcompiler=-Werror)
endif()
target_compile_options(dimix_development INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>" "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_warnings}>")

if(DIMIX_SANITIZE STREQUAL "address")
  # AddressSanitizer sees null pointers and accesses out of bounds by itself: without UBSan's own checks of the same, and with
  # checks that are calls, a file of tests compiles in half the time; and in three quarters of that where pointers are not also looked at
  # for their alignment and for a sum that overflows, which DIMIX_ALL_TESTS does.
  set(not_looked_at null,object-size,vptr)
  if(NOT DIMIX_ALL_TESTS)
    string(APPEND not_looked_at ",alignment,pointer-overflow")
  endif()
  set(sanitize -fsanitize=address,undefined -fno-sanitize=${not_looked_at} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND sanitize "SHELL:--param asan-instrumentation-with-call-threshold=0")
  endif()
  target_compile_definitions(dimix_development INTERFACE _GLIBCXX_ASSERTIONS)
elseif(DIMIX_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(DIMIX_SANITIZE)
  message(FATAL_ERROR "DIMIX_SANITIZE = ${DIMIX_SANITIZE} is neither address nor thread")
endif()
if(DIMIX_SANITIZE)
  target_compile_options(dimix_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${sanitize}>")
  target_link_options(dimix_development INTERFACE ${sanitize})
endif()

function(dimix_optimise target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O3>)
  if(DIMIX_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # False alarms inside its own AVX-512 intrinsics (GCC bug 105593).
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
  endif()
endfunction()

# A part of the library that what is being built cannot do without.
function(dimix_require_parts what)
  foreach(part IN LISTS ARGN)
    if(NOT TARGET dimix::${part})
      message(FATAL_ERROR "${what} need dimix::${part}, whose dependency was not found (see above; Debian: libeigen3-dev, "
        "nlohmann-json3-dev). Install it, or turn their DIMIX_BUILD_ option off.")
    endif()
  endforeach()
endfunction()
