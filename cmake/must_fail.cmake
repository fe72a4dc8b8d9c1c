# Runs one must-not-compile test: cmake -DCOMPILER=... -DFLAGS=... -DFILE=... -P must_fail.cmake; see DimixMustFail.cmake.
# Not file(STRINGS): a sentence may hold semicolons and brackets, which mean something in CMake's lists.
file(READ "${FILE}" text)
string(FIND "${text}" "\n#ifdef OFFEND\n" guard)
if(NOT text MATCHES "// error: ([^\n]+)\n" OR guard EQUAL -1)
  message(FATAL_ERROR "${FILE} needs a line `// error: TEXT` and a block `#ifdef OFFEND`")
endif()
set(sentence "${CMAKE_MATCH_1}")

execute_process(COMMAND "${COMPILER}" ${FLAGS} -fsyntax-only -DOFFEND "${FILE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "the offence in ${FILE} compiles")
endif()
string(FIND "${output}" "${sentence}" position)
if(position EQUAL -1)
  message(FATAL_ERROR "${FILE} fails without saying\n  ${sentence}\nbut with\n${output}")
endif()
message(STATUS "refused with: ${sentence}")
