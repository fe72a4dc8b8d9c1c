# Every public header compiles on its own and twice in one file, under macros that other libraries are known to define, and can
# be included by several files of one program.
#
#   dimix_header_tests()   headers_link_twice: files that each include a chain of .hpp, and one that includes them all
#                          headers_link_twice_cuda (with a CUDA compiler): two files that include all .hpp of the core and all .cuh.
#                          That each of these compiles alone g++ has shown, and nvcc takes two seconds for any file.
#
# A header whose function lacks `inline` is then a duplicate definition when the objects are linked.
#
# Most of what a header compiles is what it includes, so it finds the largest of a few bases among that precompiled, and a file goes on with a
# header that includes the one before it. Nothing is hidden: what a header finds included it would have read anyway, and whether that stands
# alone and is free of the macros has been shown before, by induction.

# Folders that are for the host by nature: Eigen, JSON and files.
set(DIMIX_HOST_ONLY_FOLDERS nn io)

# Names that complex.h, Arduino, windows.h, X11 and test frameworks define as macros.
set(dimix_poisoned I B0 small near far interface Bool Status None CHECK REQUIRE)
# What uses those names itself comes first, unpoisoned, where a header includes it.
set(dimix_before_poison Eigen/Core nlohmann/json.hpp zlib.h thrust/for_each.h thrust/iterator/counting_iterator.h
  thrust/system/cpp/execution_policy.h thrust/system/omp/execution_policy.h thrust/system/tbb/execution_policy.h)

# The largest first; more of them save less than it takes to make them.
set(dimix_header_bases dimix/nn/eigen.hpp dimix/backend.hpp dimix/core/array.hpp dimix/core/error.hpp)

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

# Lists in VARIABLE the header and all that it includes, itself or through other headers of dimix.
function(dimix_read_by header variable)
  set(all "")
  set(open "${header}")
  while(open)
    list(POP_FRONT open next)
    list(APPEND all "${next}")
    get_property(includes GLOBAL PROPERTY dimix_includes_of_${next})
    if(NOT includes AND EXISTS "${PROJECT_SOURCE_DIR}/include/${next}")
      file(STRINGS "${PROJECT_SOURCE_DIR}/include/${next}" includes REGEX "^ *# *include *<")
      list(TRANSFORM includes REPLACE "^[^<]*<([^>]*)>.*" "\\1")
      set_property(GLOBAL PROPERTY dimix_includes_of_${next} "${includes}")
    endif()
    list(APPEND open ${includes})
    list(REMOVE_DUPLICATES open)
    list(REMOVE_ITEM open ${all})
  endwhile()
  set(${variable} "${all}" PARENT_SCOPE)
endfunction()

set(dimix_poison "")
set(dimix_antidote "")
foreach(name IN LISTS dimix_poisoned)
  string(APPEND dimix_poison "#define ${name} \"a header uses the name ${name}, a macro in other libraries\"\n")
  string(APPEND dimix_antidote "#undef ${name}\n")
endforeach()

# A file that includes every header in ARGN once more, and is the main of their program.
function(dimix_write_all file)
  list(LENGTH ARGN count)
  list(TRANSFORM ARGN REPLACE "(.+)" "#include <\\1>\n" OUTPUT_VARIABLE includes)
  list(JOIN includes "" includes)
  dimix_write_if_new("${file}" "// Every header once more: what is defined without inline is now defined twice.\n#include <cstdio>\n\
${includes}int main() { std::puts(\"${count} headers included by two files each\"); }\n")
endfunction()

function(dimix_link_header_test target)  # libraries in ARGN
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  target_link_libraries(${target} PRIVATE dimix_development ${ARGN})
  foreach(library dimix::thrust TBB::tbb)
    if(TARGET ${library})
      target_link_libraries(${target} PRIVATE ${library})
    endif()
  endforeach()
endfunction()

# A file that includes the headers in ARGN, each twice and poisoned; every one includes those before it. What a header reads is the caller's
# read_by_HEADER.
function(dimix_write_chain file)
  set(text "")
  foreach(header IN LISTS ARGN)
    set(before "")
    foreach(name IN LISTS dimix_before_poison)
      if(name IN_LIST read_by_${header})
        dimix_include_where_found(before ${name})
      endif()
    endforeach()
    string(APPEND text "${before}${dimix_poison}#include <${header}>\n#include <${header}>\n${dimix_antidote}")
  endforeach()
  dimix_write_if_new("${file}" "${text}")
endfunction()

function(dimix_header_program target)  # headers in ARGN, relative to include/; the bases are among them
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_sources")
  # Another #include may be another base.
  list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/include/" OUTPUT_VARIABLE files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  foreach(header IN LISTS ARGN)
    dimix_read_by(${header} read_by_${header})
  endforeach()
  foreach(header IN LISTS ARGN)
    set(best "")
    foreach(base IN LISTS dimix_header_bases)
      if(best STREQUAL "" AND base IN_LIST read_by_${header} AND NOT header IN_LIST read_by_${base})
        set(best ${base})
      endif()
    endforeach()
    list(LENGTH read_by_${header} size)
    list(APPEND on_${best} "${size} ${header}")
  endforeach()

  foreach(base IN LISTS dimix_header_bases ITEMS "")
    set(left ${on_${base}})
    list(SORT left COMPARE NATURAL ORDER DESCENDING)  # what reads most first
    list(TRANSFORM left REPLACE "^[0-9]+ " "")
    while(left)
      list(POP_FRONT left first)
      set(chain ${first})
      foreach(header IN LISTS left)
        if(header IN_LIST read_by_${first})
          list(PREPEND chain ${header})
          set(first ${header})
        endif()
      endforeach()
      list(REMOVE_ITEM left ${chain})
      list(GET chain -1 last)
      string(REGEX REPLACE "[/.]" "_" name "${last}")
      dimix_write_chain("${folder}/${name}.cpp" ${chain})
      list(APPEND sources_on_${base} "${folder}/${name}.cpp")
    endwhile()
  endforeach()

  dimix_write_all("${folder}/all.cpp" ${ARGN})
  add_executable(${target} "${folder}/all.cpp" ${sources_on_})
  dimix_link_header_test(${target} dimix::dimix dimix::nn dimix::io)
  foreach(base IN LISTS dimix_header_bases)
    cmake_path(GET base STEM name)
    add_library(${target}_on_${name} OBJECT ${sources_on_${base}})
    dimix_link_header_test(${target}_on_${name} dimix::dimix dimix::nn dimix::io)
    target_precompile_headers(${target}_on_${name} PRIVATE <${base}>)
    target_link_libraries(${target} PRIVATE ${target}_on_${name})
  endforeach()
endfunction()

function(dimix_cuda_header_program target)  # headers in ARGN, relative to include/
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_sources")
  set(before "")
  set(foreign ${dimix_before_poison})
  list(FILTER foreign INCLUDE REGEX "^thrust/")
  list(REMOVE_ITEM foreign thrust/system/tbb/execution_policy.h)
  dimix_include_where_found(before ${foreign} thrust/system/cuda/execution_policy.h thrust/device_malloc.h)
  list(TRANSFORM ARGN REPLACE "(.+)" "#include <\\1>\n" OUTPUT_VARIABLE includes)
  list(JOIN includes "" includes)
  dimix_write_if_new("${folder}/first.cu" "${before}${dimix_poison}${includes}${includes}")
  dimix_write_all("${folder}/all.cu" ${ARGN})
  add_executable(${target} "${folder}/first.cu" "${folder}/all.cu")
  dimix_link_header_test(${target} dimix::cuda)
endfunction()

function(dimix_header_tests)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/*.hpp")
  if(NOT TARGET dimix::thrust)
    list(FILTER headers EXCLUDE REGEX "^dimix/backend/thrust")
  elseif(NOT TBB_FOUND)
    list(FILTER headers EXCLUDE REGEX "^dimix/backend/thrust/tbb\\.hpp$")
  endif()
  dimix_header_program(headers_link_twice ${headers})
  add_test(NAME headers_link_twice COMMAND headers_link_twice)

  if(dimix_has_cuda)
    foreach(folder IN LISTS DIMIX_HOST_ONLY_FOLDERS)
      list(FILTER headers EXCLUDE REGEX "^dimix/${folder}(/|\\.hpp)")
    endforeach()
    file(GLOB_RECURSE cuda_headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/include/*.cuh")
    dimix_cuda_header_program(headers_link_twice_cuda ${headers} ${cuda_headers})
    add_test(NAME headers_link_twice_cuda COMMAND headers_link_twice_cuda)
    set_tests_properties(headers_link_twice_cuda PROPERTIES LABELS cuda)
    add_dependencies(cuda_checks headers_link_twice_cuda)
  endif()
endfunction()
