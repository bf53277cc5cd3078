# SPDX-License-Identifier: Apache-2.0
# A room is a folder under src/: a static library of its *.cc files. Its tests are the *_test.cc
# files beside them; they follow from their names, nothing lists them.

set(CAIRN_ROOMS "" CACHE INTERNAL "rooms declared so far")

# cairn_room(NAME [ROOMS room...] [LIBRARIES target...])
function(cairn_room name)
  cmake_parse_arguments(ARG "" "" "ROOMS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    add_library(cairn_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(cairn_${name} STATIC ${sources})
    set(scope PUBLIC)
    # GCC 12 warns about the insides of std::string when it inlines its copies (bug 105651).
    target_compile_options(cairn_${name} PRIVATE
      "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized>")
  endif()
  target_include_directories(cairn_${name} ${scope} ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_ROOMS PREPEND cairn_)
  target_link_libraries(cairn_${name} ${scope} ${ARG_ROOMS} ${ARG_LIBRARIES})
  set(CAIRN_ROOMS "${CAIRN_ROOMS};${name}" CACHE INTERNAL "rooms declared so far")
endfunction()

# One test program per room: cairn_<room>_test, run through CTest case by case.
function(cairn_tests)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  foreach(room IN LISTS CAIRN_ROOMS)
    file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${room}/*_test.cc)
    if(NOT tests)
      continue()
    endif()
    add_executable(cairn_${room}_test ${tests})
    target_link_libraries(cairn_${room}_test PRIVATE cairn_${room} cairn_testing GTest::gtest_main)
    target_compile_definitions(cairn_${room}_test PRIVATE
      CAIRN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(cairn_${room}_test DISCOVERY_TIMEOUT 60)
  endforeach()
endfunction()
