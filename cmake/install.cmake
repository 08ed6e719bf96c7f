# cmake --install: header, library, CMake package, pkg-config file. The program is in tools/.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/inference)

install(FILES ${CMAKE_SOURCE_DIR}/include/inference.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS inference EXPORT inference-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT inference-targets NAMESPACE inference:: DESTINATION ${package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/inference-config.cmake.in
  ${CMAKE_BINARY_DIR}/inference-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/inference-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/inference-config.cmake
  ${CMAKE_BINARY_DIR}/inference-config-version.cmake DESTINATION ${package_dir})

# Paths relative to the .pc file: `cmake --install --prefix` may choose another place.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pkgconfig /prefix/${pkgconfig_dir} /prefix)
configure_file(${CMAKE_SOURCE_DIR}/pkgconfig/inference.pc.in
  ${CMAKE_BINARY_DIR}/inference.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/inference.pc DESTINATION ${pkgconfig_dir})
