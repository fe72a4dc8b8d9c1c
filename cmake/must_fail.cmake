# Runs one must-not-compile test: cmake -DCOMPILER=... -DFLAGS=... -DFILE=... -P must_fail.cmake; see DimixMustFail.cmake.
file(STRINGS "${FILE}" expectations REGEX "^// error: .")
file(STRINGS "${FILE}" guards REGEX "^#ifdef OFFEND$")
if(NOT expectations OR NOT guards)
  message(FATAL_ERROR "${FILE} needs a line `// error: TEXT` and a block `#ifdef OFFEND`")
endif()

execute_process(COMMAND "${COMPILER}" ${FLAGS} -fsyntax-only "${FILE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the happy path of ${FILE} does not compile:\n${output}")
endif()

execute_process(COMMAND "${COMPILER}" ${FLAGS} -fsyntax-only -DOFFEND "${FILE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "the offence in ${FILE} compiles")
endif()
foreach(expectation IN LISTS expectations)
  string(REGEX REPLACE "^// error: " "" sentence "${expectation}")
  string(FIND "${output}" "${sentence}" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "${FILE} fails without saying\n  ${sentence}\nbut with\n${output}")
  endif()
  message(STATUS "refused with: ${sentence}")
endforeach()
