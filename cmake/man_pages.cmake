# SPDX-License-Identifier: Apache-2.0
# The man pages are made of the pages of docs/, so that neither can say what the other does not.
find_program(LOWDOWN lowdown)
if(NOT LOWDOWN)
  message(STATUS "lowdown is not there: no man pages are made")
  return()
endif()

set(all_man_pages "reachd(8)" "reachctl(1)" "reachd-reflector(8)" "reachd.json(5)" "reachd-catalogue(5)"
  "reachd-protocol(7)" "reachd-events(7)")
set(man_files)

# man_page(COMPONENT NAME SECTION SOURCE WHAT [only|without HEADINGS])
function(man_page component name section source what)
  set(also ${all_man_pages})
  list(REMOVE_ITEM also "${name}(${section})")
  list(JOIN also ", " also)
  set(out ${CMAKE_BINARY_DIR}/man/${name}.${section})
  set(from ${CMAKE_SOURCE_DIR}/docs/${source})
  set(script ${CMAKE_SOURCE_DIR}/cmake/man-page)
  add_custom_command(OUTPUT ${out} DEPENDS ${from} ${script} VERBATIM COMMENT "man page ${name}(${section})"
    COMMAND ${CMAKE_COMMAND} -E env PATH=$ENV{PATH} sh -c "\"$@\" >${out}" man-page ${script} ${name} ${section} ${what}
      ${PROJECT_VERSION} ${REACHD_DATE} ${also} ${from} ${ARGN})
  set(man_files ${man_files} ${out} PARENT_SCOPE)
  install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
endfunction()

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
man_page(reachd reachd 8 CLI.md "probes what a site must reach, and says what it can prove" only "reachd|Environment")
man_page(reachctl reachctl 1 CLI.md "asks what a site can and cannot reach" without reachd)
man_page(reflector reachd-reflector 8 REFLECTOR.md "the server outside the site that speaks first after silence")
man_page(reachctl reachd.json 5 CONFIGURATION.md "configuration of a site")
man_page(reachctl reachd-catalogue 5 CATALOGUES.md "what a vendor requires of a site, as a file")
man_page(reachd reachd-protocol 7 CONTROL.md "the protocol of the control sockets")
man_page(reachd reachd-events 7 EVENTS.md "what reachd logs and publishes")
add_custom_target(man_pages ALL DEPENDS ${man_files})
