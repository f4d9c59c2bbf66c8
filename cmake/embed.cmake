# SPDX-License-Identifier: Apache-2.0
# reachd_embed(TARGET FILE...): makes a header of each text file, <page/NAME.hpp>, which holds
# `inline constexpr std::string_view reachd::page::NAME`; dots in the file's name become underscores.
function(reachd_embed target)
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    file(READ ${file} text)
    get_filename_component(name ${file} NAME)
    string(REPLACE "." "_" name ${name})
    # A compiler must accept 65536 characters in one literal; pieces of 8000 stay far below.
    string(LENGTH "${text}" length)
    set(pieces "")
    set(at 0)
    while(at LESS length)
      string(SUBSTRING "${text}" ${at} 8000 piece)
      string(APPEND pieces "R\"~page~(${piece})~page~\"\n")
      math(EXPR at "${at} + 8000")
    endwhile()
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/embedded/page/${name}.hpp @ONLY CONTENT
"// Made from @file@ by the build.
#pragma once
#include <string_view>
namespace reachd::page {
inline constexpr std::string_view @name@ =
@pieces@;
}
")
  endforeach()
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embedded)
endfunction()
