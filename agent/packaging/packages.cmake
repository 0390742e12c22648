# `cpack -G DEB` in the build directory: libgumshoe1, libgumshoe-dev, gumshoe.
set(CPACK_PACKAGE_NAME gumshoe)
set(GUMSHOE_MAINTAINER "the gumshoe authors <gumshoe@users.noreply.github.com>" CACHE STRING "who answers for the packages: NAME <ADDRESS>")
set(CPACK_PACKAGE_CONTACT "${GUMSHOE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "process that watches itself and keeps the evidence")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL library development command)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/agent/packaging/debian.cmake)
set(CPACK_GUMSHOE_SOURCE ${CMAKE_SOURCE_DIR}) # for debian.cmake

set(about "A thread inside the process reads its metrics and judges them by rules. When\n\
a rule fires, heap, CPU and thread profiles, a summary and the history are\n\
written to a folder.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libgumshoe${gumshoe_soversion})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
file(CONFIGURE OUTPUT ${package}/shlibs CONTENT "libgumshoe ${gumshoe_soversion} libgumshoe${gumshoe_soversion} (>= ${PROJECT_VERSION})\n")
file(CONFIGURE OUTPUT ${package}/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${package}/shlibs ${package}/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "${about}\n\
This package has the library that programs are linked with, and that is\npreloaded into others.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libgumshoe-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libgumshoe${gumshoe_soversion} (= ${PROJECT_VERSION}), libc6-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "${about}\n\
This package has the header, the static library, and the files for CMake and\npkg-config.")
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME gumshoe)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "libgumshoe${gumshoe_soversion} (= ${PROJECT_VERSION}), libcurl4 | libcurl4t64") # agent/ship/curl.c loads it
set(CPACK_COMPONENT_COMMAND_DESCRIPTION "${about}\n\
This package has the command, which runs programs under watch and reads what\nthey leave.")
include(CPack)
