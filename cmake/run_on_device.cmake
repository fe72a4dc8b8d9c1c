# Runs PROGRAM where there is an NVIDIA device, else says in one line that it was skipped: cmake -DPROGRAM=... -P run_on_device.cmake
if(NOT EXISTS /dev/nvidiactl AND NOT EXISTS /dev/dxg)
  message("skipped: no device")
  return()
endif()
execute_process(COMMAND "${PROGRAM}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} failed: ${result}")
endif()
