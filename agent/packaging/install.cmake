# What `cmake --install` installs, in three components, each of which is a Debian package (packages.cmake).

# ---- library: for programs that run ---------------------------------------------------------------------------------
install(TARGETS gumshoe EXPORT gumshoe
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)

# ---- development: for programs that are built ------------------------------------------------------------------------
set(cmake_package ${CMAKE_INSTALL_LIBDIR}/cmake/gumshoe)
install(FILES ${static_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/gumshoe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES docs/libgumshoe.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT development)
install(EXPORT gumshoe NAMESPACE gumshoe:: DESTINATION ${cmake_package} FILE gumshoe-targets.cmake COMPONENT development)
set(package ${CMAKE_BINARY_DIR}/package)
configure_package_config_file(agent/packaging/gumshoe-config.cmake.in ${package}/gumshoe-config.cmake
  INSTALL_DESTINATION ${cmake_package} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${package}/gumshoe-config-version.cmake COMPATIBILITY SameMajorVersion)
file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/") # an installed copy may be moved
configure_file(agent/packaging/gumshoe.pc.in ${package}/gumshoe.pc @ONLY)
install(FILES ${package}/gumshoe-config.cmake ${package}/gumshoe-config-version.cmake
        DESTINATION ${cmake_package} COMPONENT development)
install(FILES ${package}/gumshoe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# ---- command ---------------------------------------------------------------------------------------------------------
install(TARGETS gumshoe_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(DIRECTORY rules/ DESTINATION ${CMAKE_INSTALL_DATADIR}/gumshoe/rules COMPONENT command FILES_MATCHING PATTERN "*.json")
install(FILES docs/gumshoe.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT command)
install(FILES docs/gumshoe-rules.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 COMPONENT command)
install(FILES ${completions}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME gumshoe COMPONENT command)
install(FILES ${completions}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME gumshoe.fish COMPONENT command)
install(FILES ${completions}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _gumshoe COMPONENT command)

# ---- so that the loader finds the library ------------------------------------------------------------------------------
# Below /usr and /usr/local ldconfig is told; it needs root. A library anywhere else is found by a run path, which pkg-config then
# adds to a program, as CMake does by itself in the program's build tree.
install(CODE "set(libdir \"${CMAKE_INSTALL_LIBDIR}\")" COMPONENT development)
install(CODE [[
  if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
    set(pc "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${libdir}/pkgconfig/gumshoe.pc")
    file(READ "${pc}" text)
    string(REPLACE "-L\${libdir} -lgumshoe" "-L\${libdir} -Wl,-rpath,\${libdir} -lgumshoe" text "${text}")
    file(WRITE "${pc}" "${text}")
  endif()]] COMPONENT development)
install(CODE [[
  if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$" AND "$ENV{DESTDIR}" STREQUAL "")
    find_program(LDCONFIG ldconfig PATHS /sbin /usr/sbin)
    execute_process(COMMAND "${LDCONFIG}" RESULT_VARIABLE failed ERROR_QUIET)
    if(failed)
      message(STATUS "ldconfig failed: run it as root, so that programs find libgumshoe.so.1")
    endif()
  endif()]] COMPONENT library)

include(agent/packaging/packages.cmake)
