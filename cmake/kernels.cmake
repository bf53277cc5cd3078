# SPDX-License-Identifier: Apache-2.0
# src/kernels/isa/*.cc is compiled once per instruction set, each time in its own namespace
# (CAIRN_ISA). docs/decisions/0002-sixteen-lanes.md says why flags per file and not attributes.
# scripts/check-isa-objects verifies that no shared inline function leaks out of these objects.

set(CAIRN_ISA_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c)
set(CAIRN_ISA_avx_vnni -mavxvnni -mavx2 -mfma -mf16c)
set(CAIRN_ISA_avx2 -mavx2 -mfma -mf16c)
set(CAIRN_ISA_neon -march=armv8.2-a+dotprod)
set(CAIRN_ISA_portable "")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(CAIRN_ISAS avx512 avx_vnni avx2 portable)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(CAIRN_ISAS neon portable)
else()
  set(CAIRN_ISAS portable)
endif()

file(GLOB CAIRN_ISA_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/isa/*.cc)
foreach(isa IN LISTS CAIRN_ISAS)
  if(NOT CAIRN_ISA_SOURCES)
    break()
  endif()
  add_library(cairn_kernels_${isa} OBJECT ${CAIRN_ISA_SOURCES})
  target_include_directories(cairn_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(cairn_kernels_${isa} PRIVATE CAIRN_ISA=${isa} CAIRN_ISA_${isa}=1)
  # -O3 in every preset: kernels at -O0 would make the tests of the rooms below unusable.
  # GCC 12 warns about its own intrinsics headers (_mm512_undefined).
  target_compile_options(cairn_kernels_${isa} PRIVATE -O3 -Wno-uninitialized
    -Wno-maybe-uninitialized -Wno-psabi ${CAIRN_ISA_${isa}})
  target_sources(cairn_kernels PRIVATE $<TARGET_OBJECTS:cairn_kernels_${isa}>)
endforeach()
