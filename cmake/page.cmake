# SPDX-License-Identifier: Apache-2.0
# The web page inside the program: scripts/page makes one source of web/, which the room server has.
set(CAIRN_PAGE ${CMAKE_BINARY_DIR}/page)
file(GLOB CAIRN_PAGE_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/* ${PROJECT_SOURCE_DIR}/web/src/*)
add_custom_command(OUTPUT ${CAIRN_PAGE}/page_assets.cc
  COMMAND ${PROJECT_SOURCE_DIR}/scripts/page ${PROJECT_SOURCE_DIR}/web ${CAIRN_PAGE}
  DEPENDS ${CAIRN_PAGE_SOURCES} ${PROJECT_SOURCE_DIR}/scripts/page VERBATIM)
target_sources(cairn_server PRIVATE ${CAIRN_PAGE}/page_assets.cc)
