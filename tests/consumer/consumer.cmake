# Plays a user of the library: cmake -DKIND=find_package|add_subdirectory ... -P consumer.cmake, see ../CMakeLists.txt.
set(work "${DIMIX_BINARY_DIR}/consumer/${KIND}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " line)
    message(FATAL_ERROR "${line}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# Configures, builds and runs the project of this kind in a folder of its own.
function(consume name)
  run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${KIND}" -B "${work}/${name}" -G "${GENERATOR}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" ${ARGN})
  run("${CMAKE_COMMAND}" --build "${work}/${name}")
  run("${work}/${name}/consumer")
  message(STATUS "${KIND} ${name}: ${output}")
endfunction()

if(KIND STREQUAL "add_subdirectory")
  consume(project "-DDIMIX_SOURCE_DIR=${DIMIX_SOURCE_DIR}")
  return()
endif()

run("${CMAKE_COMMAND}" --install "${DIMIX_BINARY_DIR}" --prefix "${work}/prefix")
set(common "-DCMAKE_PREFIX_PATH=${work}/prefix" "-DVERSION=${VERSION}")
# The core asks for nothing that only a part needs.
consume(core ${common} -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON)
consume(parts ${common} "-DPARTS=nn;io")
if(EXISTS "${work}/prefix/share/cmake/dimix/dimix-thrust.cmake")
  consume(thrust ${common} -DPARTS=thrust)
endif()

# A part that cannot be had is refused with its reason.
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${KIND}" -B "${work}/refused" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" ${common} -DPARTS=nn -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(FIND "${output}" "component nn needs Eigen3" position)
if(result EQUAL 0 OR position EQUAL -1)
  message(FATAL_ERROR "find_package(dimix COMPONENTS nn) without Eigen must fail and say so, but:\n${output}")
endif()
