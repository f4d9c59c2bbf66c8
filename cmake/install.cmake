# SPDX-License-Identifier: Apache-2.0
# What goes where, by package: the components reachd, reachctl, reflector and monitoring, and for each its units,
# COMPONENT-units, which debhelper installs itself (docs/PACKAGING.md).
set(unit_dir lib/systemd/system)

install(TARGETS reachd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT reachd)
install(TARGETS reachctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT reachctl)
install(TARGETS reachd-reflector RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT reflector)

install(DIRECTORY config/catalogues config/schema DESTINATION ${CMAKE_INSTALL_DATADIR}/reachd COMPONENT reachctl)
install(FILES config/reachd.json DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/reachd COMPONENT reachctl)
install(FILES config/reflector.json DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/reachd COMPONENT reflector)
install(DIRECTORY config/monitoring DESTINATION ${CMAKE_INSTALL_DATADIR}/reachd COMPONENT monitoring
  USE_SOURCE_PERMISSIONS)
install(FILES ${journal_catalogue} DESTINATION lib/systemd/catalog COMPONENT reachd)

# In Debian's packages these are the business of debhelper.
install(FILES LICENSE README.md SECURITY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT documents)
install(FILES systemd/reachd.service systemd/reachd-control.socket systemd/reachd-status.socket
  DESTINATION ${unit_dir} COMPONENT reachd-units)
install(FILES systemd/reachd.sysusers DESTINATION lib/sysusers.d RENAME reachd.conf COMPONENT reachd-units)
install(FILES systemd/reachd.tmpfiles DESTINATION lib/tmpfiles.d RENAME reachd.conf COMPONENT reachd-units)
install(FILES systemd/reachd-reflector.service DESTINATION ${unit_dir} COMPONENT reflector-units)
install(FILES systemd/reachd-textfile.service systemd/reachd-textfile.timer
  DESTINATION ${unit_dir} COMPONENT monitoring-units)

# The scripts of `reachctl completions`, for those who do not want to ask the program at each login.
if(NOT CMAKE_CROSSCOMPILING AND NOT REACHD_SANITIZE)
  set(scripts)
  foreach(shell bash zsh fish)
    set(script ${CMAKE_BINARY_DIR}/completions/${shell})
    add_custom_command(OUTPUT ${script} DEPENDS reachctl VERBATIM COMMENT "completions for ${shell}"
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completions
      COMMAND reachctl completions ${shell} > ${script})
    list(APPEND scripts ${script})
  endforeach()
  add_custom_target(completions ALL DEPENDS ${scripts})
  install(FILES ${CMAKE_BINARY_DIR}/completions/bash RENAME reachctl COMPONENT reachctl
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${CMAKE_BINARY_DIR}/completions/zsh RENAME _reachctl COMPONENT reachctl
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${CMAKE_BINARY_DIR}/completions/fish RENAME reachctl.fish COMPONENT reachctl
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
