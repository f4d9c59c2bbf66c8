# SPDX-License-Identifier: Apache-2.0
# One interface target carries every flag; nothing is set globally.
add_library(reachd_flags INTERFACE)
target_compile_features(reachd_flags INTERFACE cxx_std_23)
set(CMAKE_CXX_EXTENSIONS OFF)

target_compile_options(reachd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Wformat=2 -Wimplicit-fallthrough
  # Designated initialisers leave the other members at their defaults on purpose.
  -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  # libstdc++ 12 uses what C++17 deprecated inside its own std::stable_sort; clang says so in our name.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  $<$<BOOL:${REACHD_WERROR}>:-Werror>
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

if(REACHD_SANITIZE)
  # clang's -fsanitize=function breaks C++20 coroutines ("cannot represent a difference across sections").
  target_compile_options(reachd_flags INTERFACE
    -fsanitize=${REACHD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  target_link_options(reachd_flags INTERFACE -fsanitize=${REACHD_SANITIZE})
endif()

# What libFuzzer steers by: without it in the library it would see the branches of its own small program alone.
if(REACHD_FUZZERS)
  target_compile_options(reachd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# GCC reports false positives on `auto [ec, n] = co_await ...` and on coroutine frames; both are seen
# only where Asio is used, so only those targets switch the warnings off.
add_library(reachd_coroutine_flags INTERFACE)
target_compile_options(reachd_coroutine_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-mismatched-new-delete -Wno-tsan>)
