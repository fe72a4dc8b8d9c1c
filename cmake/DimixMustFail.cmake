# Programs that must not compile, and must say why.
#
#   dimix_must_fail_tests(FILES)   one test per file. A file holds the sentence that the compiler has to print, a happy path,
#                                  and the offence:
#     // error: absorbing_process<Schedule>: Schedule must provide alpha(t)
#     #ifdef OFFEND
#     ...the offending line...
#     #endif
#
# Without OFFEND the file must compile (so it fails for no other reason), with -DOFFEND it must fail and print the sentence. Only
# the front end runs (-fsyntax-only, which does instantiate templates), so nothing is built. Most of what it reads are the headers of dimix:
# a test before them precompiles these. must_fail/accepted compiles all files without OFFEND at once, each in a namespace of its own.
function(dimix_must_fail_tests)
  set(flags -std=c++20 -I "${PROJECT_SOURCE_DIR}/include" -I "${PROJECT_SOURCE_DIR}/tests")
  if(Eigen3_FOUND)
    get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
    list(APPEND flags -isystem "${eigen}")
  endif()
  if(TARGET dimix::thrust)
    get_target_property(thrust Thrust::Thrust INTERFACE_INCLUDE_DIRECTORIES)
    list(APPEND flags -isystem "${thrust}" -DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP)
  endif()
  set(headers "${CMAKE_CURRENT_BINARY_DIR}/must_fail/headers.hpp")
  set(extension pch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(extension gch)
  endif()
  file(CONFIGURE OUTPUT "${headers}" CONTENT "#include <dimix/dimix.hpp>\n")
  add_test(NAME must_fail/headers COMMAND "${CMAKE_CXX_COMPILER}" ${flags} -x c++-header "${headers}" -o "${headers}.${extension}")
  set_tests_properties(must_fail/headers PROPERTIES FIXTURES_SETUP must_fail_headers)
  list(APPEND flags -include "${headers}")
  set(included "")
  set(accepted "")
  foreach(file IN LISTS ARGN)
    cmake_path(GET file STEM name)
    if(name MATCHES "^thrust" AND NOT TARGET dimix::thrust)
      continue()
    endif()
    file(STRINGS "${file}" includes REGEX "^#include ")
    list(APPEND included ${includes})
    string(APPEND accepted "namespace ${name} {\n#include \"${file}\"\n}\n")
    add_test(NAME must_fail/${name} COMMAND "${CMAKE_COMMAND}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${flags}" "-DFILE=${file}"
      -P "${PROJECT_SOURCE_DIR}/cmake/must_fail.cmake")
    set_tests_properties(must_fail/${name} PROPERTIES FIXTURES_REQUIRED must_fail_headers)
  endforeach()
  list(REMOVE_DUPLICATES included)
  list(JOIN included "\n" included)
  file(CONFIGURE OUTPUT must_fail/accepted.cpp CONTENT "${included}\n${accepted}" @ONLY)
  add_test(NAME must_fail/accepted COMMAND "${CMAKE_CXX_COMPILER}" ${flags} -fsyntax-only "${CMAKE_CURRENT_BINARY_DIR}/must_fail/accepted.cpp")
  set_tests_properties(must_fail/accepted PROPERTIES FIXTURES_REQUIRED must_fail_headers)
endfunction()
