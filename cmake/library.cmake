# SPDX-License-Identifier: Apache-2.0
# libcairn: the room capi and the rooms above it as one shared and one static library, which show
# nothing but the names of src/capi/cairn.map; what other programs need to find them; installation.
include(GNUInstallDirs)

set(CAIRN_ABI 0)  # the number in libcairn.so.N; docs/library.md says when it changes
set(CAIRN_MAP ${PROJECT_SOURCE_DIR}/src/capi/cairn.map)
set(CAIRN_SYSTEM_LIBRARIES fmt boost_json pcre2-8 xxhash crypto zip)  # -l names, for the static one

add_library(cairn_shared SHARED ${PROJECT_SOURCE_DIR}/src/capi/library.cc)
target_link_libraries(cairn_shared PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,cairn_capi>")
target_link_options(cairn_shared PRIVATE -Wl,--version-script=${CAIRN_MAP} -Wl,--as-needed
                    -Wl,--no-undefined)
set_target_properties(cairn_shared PROPERTIES OUTPUT_NAME cairn VERSION ${PROJECT_VERSION}
                      SOVERSION ${CAIRN_ABI} LINK_DEPENDS ${CAIRN_MAP}
                      LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

# The static one is a single object (-r): everything that capi needs, names that are not for users
# made local; system libraries stay open. Groups of equal inline functions are dissolved first: a
# linker would drop the local copies for those of another object.
set(CAIRN_STATIC ${PROJECT_BINARY_DIR}/lib/libcairn.a)
set(rooms engine kv model program kernels tensor index parallel base)
set(archives "")
set(CAIRN_GLOBALS ${PROJECT_BINARY_DIR}/lib/global-names.txt)
file(READ ${CAIRN_MAP} names)
string(REGEX MATCHALL "cairn_[a-z_]+" names "${names}")
list(JOIN names "\n" names)
file(WRITE ${CAIRN_GLOBALS} "${names}\n")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CAIRN_MAP})
foreach(room IN LISTS rooms)
  get_target_property(type cairn_${room} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    list(APPEND archives $<TARGET_FILE:cairn_${room}>)
  endif()
endforeach()
add_custom_command(
  OUTPUT ${CAIRN_STATIC}
  COMMAND ${CMAKE_CXX_COMPILER} -r -nostdlib -no-pie -Wl,--force-group-allocation -o cairn-open.o -Wl,--whole-archive
          $<TARGET_FILE:cairn_capi> -Wl,--no-whole-archive -Wl,--start-group ${archives} -Wl,--end-group
  COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${CAIRN_GLOBALS} cairn-open.o cairn.o
  COMMAND ${CMAKE_COMMAND} -E rm -f ${CAIRN_STATIC}
  COMMAND ${CMAKE_AR} rcsD ${CAIRN_STATIC} cairn.o
  COMMAND ${CMAKE_COMMAND} -E rm -f cairn-open.o cairn.o
  DEPENDS cairn_capi ${archives} VERBATIM)
add_custom_target(cairn_static ALL DEPENDS ${CAIRN_STATIC})

list(TRANSFORM CAIRN_SYSTEM_LIBRARIES PREPEND -l OUTPUT_VARIABLE CAIRN_STATIC_FLAGS)
list(JOIN CAIRN_STATIC_FLAGS " " CAIRN_STATIC_FLAGS)
# Files that other programs' builds read say where things are from where they lie: the folder that
# holds them may be moved.
file(RELATIVE_PATH CAIRN_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" CAIRN_PC_PREFIX ${CAIRN_PC_PREFIX})
foreach(file cairn.pc cairn-static.pc cairn-config.cmake)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${file}.in ${PROJECT_BINARY_DIR}/lib/${file} @ONLY)
endforeach()
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lib/cairn-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)

install(TARGETS cairn_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
        NAMELINK_COMPONENT development)
install(FILES ${CAIRN_STATIC} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/include/cairn/cairn.h ${PROJECT_SOURCE_DIR}/include/cairn/cairn.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/lib/cairn.pc ${PROJECT_BINARY_DIR}/lib/cairn-static.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/lib/cairn-config.cmake
        ${PROJECT_BINARY_DIR}/lib/cairn-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cairn COMPONENT development)
