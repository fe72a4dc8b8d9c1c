# Installs the headers and a CMake package. Every part has its own file of targets, so that find_package(dimix) asks for Eigen,
# JSON or CUDA only where their part is asked for.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(dimix_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/dimix")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/dimix" TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" TYPE DOC)

install(TARGETS dimix EXPORT dimix-core)
install(EXPORT dimix-core NAMESPACE dimix:: DESTINATION "${dimix_package_dir}")
foreach(part IN LISTS dimix_parts)
  set_target_properties(dimix_${part} PROPERTIES EXPORT_NAME ${part})
  install(TARGETS dimix_${part} EXPORT dimix-${part})
  install(EXPORT dimix-${part} NAMESPACE dimix:: DESTINATION "${dimix_package_dir}")
endforeach()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/dimixConfig.cmake.in" dimixConfig.cmake
  INSTALL_DESTINATION "${dimix_package_dir}" NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change what users call.
write_basic_package_version_file(dimixConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dimixConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/dimixConfigVersion.cmake"
  DESTINATION "${dimix_package_dir}")
