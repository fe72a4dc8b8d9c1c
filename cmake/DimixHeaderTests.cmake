# Every public header compiles on its own and twice in one file, under macros that other libraries are known to define, and can
# be included by several files of one program.
#
#   dimix_header_tests()   headers_link_twice: one file per .hpp, and one that includes them all
#                          headers_link_twice_cuda (with a CUDA compiler): two files that include all .hpp of the core and all .cuh.
#                          That each of these compiles alone g++ has shown, and nvcc takes two seconds for any file.
#
# A header whose function lacks `inline` is then a duplicate definition when the objects are linked.

# Folders that are for the host by nature: Eigen, JSON and files.
set(DIMIX_HOST_ONLY_FOLDERS nn io)

# Names that complex.h, Arduino, windows.h, X11 and test frameworks define as macros.
set(dimix_poisoned I B0 small near far interface Bool Status None CHECK REQUIRE)
# What uses those names itself comes first, unpoisoned.
set(dimix_before_poison Eigen/Core nlohmann/json.hpp zlib.h)
set(dimix_thrust_before_poison thrust/for_each.h thrust/iterator/counting_iterator.h thrust/system/cpp/execution_policy.h
  thrust/system/omp/execution_policy.h)

# Writes FILE only when its text changes, so that nothing is compiled again for nothing.
function(dimix_write_if_new file text)
  file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
endfunction()

# Appends to the text in VARIABLE an #include of every header in ARGN that there is.
function(dimix_include_where_found variable)
  foreach(header IN LISTS ARGN)
    string(APPEND ${variable} "#if __has_include(<${header}>)\n#include <${header}>\n#endif\n")
  endforeach()
  set(${variable} "${${variable}}" PARENT_SCOPE)
endfunction()

function(dimix_header_program target extension)  # headers in ARGN, relative to include/
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_sources")
  set(poison "")
  foreach(name IN LISTS dimix_poisoned)
    string(APPEND poison "#define ${name} \"a header uses the name ${name}, a macro in other libraries\"\n")
  endforeach()

  set(sources "")
  set(includes "")
  foreach(header IN LISTS ARGN)
    string(APPEND includes "#include <${header}>\n")
    if(extension STREQUAL "cu")
      continue()
    endif()
    set(before "")
    if(header MATCHES "^dimix/(nn|io)/")
      dimix_include_where_found(before ${dimix_before_poison})
    elseif(header MATCHES "^dimix/backend/thrust")
      dimix_include_where_found(before ${dimix_thrust_before_poison})
    endif()
    string(REGEX REPLACE "[/.]" "_" name "${header}")
    dimix_write_if_new("${folder}/${name}.${extension}" "${before}${poison}#include <${header}>\n#include <${header}>\n")
    list(APPEND sources "${folder}/${name}.${extension}")
  endforeach()
  if(extension STREQUAL "cu")
    set(before "")
    dimix_include_where_found(before ${dimix_thrust_before_poison} thrust/system/cuda/execution_policy.h thrust/device_malloc.h)
    dimix_write_if_new("${folder}/first.${extension}" "${before}${poison}${includes}${includes}")
    list(APPEND sources "${folder}/first.${extension}")
  endif()
  list(LENGTH ARGN count)
  set(all "// Every header once more: what is defined without inline is now defined twice.\n#include <cstdio>\n${includes}")
  string(APPEND all "int main() { std::puts(\"${count} headers included by two files each\"); }\n")
  dimix_write_if_new("${folder}/all.${extension}" "${all}")

  add_executable(${target} ${sources} "${folder}/all.${extension}")
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  target_link_libraries(${target} PRIVATE dimix_development)
  if(extension STREQUAL "cu")
    target_link_libraries(${target} PRIVATE dimix::cuda)
  else()
    target_link_libraries(${target} PRIVATE dimix::dimix dimix::nn dimix::io)
  endif()
  foreach(library dimix::thrust TBB::tbb)
    if(TARGET ${library})
      target_link_libraries(${target} PRIVATE ${library})
    endif()
  endforeach()
endfunction()

function(dimix_header_tests)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/*.hpp")
  if(NOT TARGET dimix::thrust)
    list(FILTER headers EXCLUDE REGEX "^dimix/backend/thrust")
  elseif(NOT TBB_FOUND)
    list(FILTER headers EXCLUDE REGEX "^dimix/backend/thrust/tbb\\.hpp$")
  endif()
  dimix_header_program(headers_link_twice cpp ${headers})
  add_test(NAME headers_link_twice COMMAND headers_link_twice)

  if(dimix_has_cuda)
    foreach(folder IN LISTS DIMIX_HOST_ONLY_FOLDERS)
      list(FILTER headers EXCLUDE REGEX "^dimix/${folder}(/|\\.hpp)")
    endforeach()
    file(GLOB_RECURSE cuda_headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/*.cuh")
    dimix_header_program(headers_link_twice_cuda cu ${headers} ${cuda_headers})
    add_test(NAME headers_link_twice_cuda COMMAND headers_link_twice_cuda)
    set_tests_properties(headers_link_twice_cuda PROPERTIES LABELS cuda)
    add_dependencies(cuda_checks headers_link_twice_cuda)
  endif()
endfunction()
