# What `cmake --install` puts where, and the package `pnflow` for nodes that are built outside of
# this tree: find_package(pnflow) finds an installation by CMAKE_PREFIX_PATH, or a build tree by
# pnflow_DIR=build/default.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_directory "${CMAKE_INSTALL_LIBDIR}/cmake/pnflow")
set(module_directory "${CMAKE_INSTALL_LIBDIR}/pnflow")

# from_to(VARIABLE FROM TO): an RPATH that leads from one directory of the installation to another.
function(from_to variable from to)
  file(RELATIVE_PATH path "/${from}" "/${to}")
  set(${variable} "$ORIGIN/${path}" PARENT_SCOPE)
endfunction()

from_to(bin_to_lib "${CMAKE_INSTALL_BINDIR}" "${CMAKE_INSTALL_LIBDIR}")
set_property(TARGET pnflow PROPERTY INSTALL_RPATH "${bin_to_lib}")
install(TARGETS pnflow pnflow_graph EXPORT pnflow
        FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/pnflow")

from_to(module_to_lib "${module_directory}" "${CMAKE_INSTALL_LIBDIR}")
foreach(module IN ITEMS pnflow_torch pnflow_cuda pnflow_peaknet)
  if(TARGET ${module})
    set_property(TARGET ${module} PROPERTY INSTALL_RPATH "${module_to_lib}")
    install(TARGETS ${module} LIBRARY DESTINATION "${module_directory}")
  endif()
endforeach()

install(DIRECTORY configs/ DESTINATION "${CMAKE_INSTALL_DATADIR}/pnflow/configs")
install(DIRECTORY test/plugin DESTINATION "${CMAKE_INSTALL_DATADIR}/pnflow"
        PATTERN build EXCLUDE)
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# The package's files lie in the build tree as they do in an installation.
configure_package_config_file(cmake/pnflow-config.cmake.in
  "${PROJECT_BINARY_DIR}/pnflow-config.cmake" INSTALL_DESTINATION "${package_directory}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/pnflow-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
configure_file(cmake/PnflowPlugin.cmake "${PROJECT_BINARY_DIR}/PnflowPlugin.cmake" COPYONLY)
export(EXPORT pnflow NAMESPACE pnflow:: FILE "${PROJECT_BINARY_DIR}/pnflow-targets.cmake")
install(EXPORT pnflow NAMESPACE pnflow:: FILE pnflow-targets.cmake
        DESTINATION "${package_directory}")
install(FILES "${PROJECT_BINARY_DIR}/pnflow-config.cmake"
              "${PROJECT_BINARY_DIR}/pnflow-config-version.cmake"
              "${PROJECT_BINARY_DIR}/PnflowPlugin.cmake"
        DESTINATION "${package_directory}")
