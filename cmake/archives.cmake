# SPDX-License-Identifier: Apache-2.0
# CPack: .rpm packages and a .tar.gz of what install.cmake installs; .deb packages are debhelper's (docs/PACKAGING.md).
set(CPACK_PACKAGE_NAME reachd)
set(CPACK_PACKAGE_VENDOR "The reachd developers")
set(CPACK_PACKAGE_CONTACT "The reachd developers <reachd@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR TGZ RPM)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON) # the files of /etc go there and not below the prefix
set(CPACK_INCLUDE_TOPLEVEL_DIRECTORY OFF)
set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY OFF)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/cmake/archives_by_generator.cmake)
set(CPACK_PACKAGE_FILE_NAME reachd-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR})

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_GROUP Applications/Internet)
# What no package owns: the file system and systemd do.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /etc /usr/lib /usr/lib/systemd /usr/lib/systemd/system
  /usr/lib/systemd/catalog /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/sbin /usr/share /usr/share/doc /usr/share/man
  /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man7 /usr/share/man/man8 /usr/share/bash-completion
  /usr/share/bash-completion/completions /usr/share/fish /usr/share/fish/vendor_completions.d /usr/share/zsh
  /usr/share/zsh/site-functions)

function(rpm group name summary)
  string(TOUPPER ${group} upper)
  set(CPACK_RPM_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_RPM_${upper}_PACKAGE_SUMMARY ${summary} PARENT_SCOPE)
endfunction()
rpm(reachd-package reachd "Prove what a site can and cannot reach")
rpm(reachctl-package reachctl "Check what a site can and cannot reach, and ask reachd")
rpm(reflector-package reachd-reflector "Server outside the site that speaks first after a silence")
rpm(monitoring-package reachd-monitoring "reachd for Prometheus, Grafana, Icinga, Zabbix and others")
set(CPACK_RPM_REACHD-PACKAGE_PACKAGE_REQUIRES "reachctl = ${PROJECT_VERSION}, systemd")
set(CPACK_RPM_MONITORING-PACKAGE_PACKAGE_REQUIRES "reachctl >= ${PROJECT_VERSION}")
set(CPACK_RPM_REACHCTL-PACKAGE_USER_FILELIST "%config(noreplace) /etc/reachd/reachd.json")
set(CPACK_RPM_REFLECTOR-PACKAGE_USER_FILELIST "%config(noreplace) /etc/reachd/reflector.json")
set(CPACK_RPM_REACHD-PACKAGE_POST_INSTALL_SCRIPT_FILE ${CMAKE_SOURCE_DIR}/cmake/rpm/post_install)
set(CPACK_RPM_REACHD-PACKAGE_PRE_UNINSTALL_SCRIPT_FILE ${CMAKE_SOURCE_DIR}/cmake/rpm/pre_uninstall)
set(CPACK_RPM_REACHD-PACKAGE_POST_UNINSTALL_SCRIPT_FILE ${CMAKE_SOURCE_DIR}/cmake/rpm/post_uninstall)

include(CPack)
foreach(group reachd reachctl reflector monitoring)
  cpack_add_component_group(${group}-package)
  cpack_add_component(${group} GROUP ${group}-package)
endforeach()
cpack_add_component(documents GROUP reachctl-package)
foreach(group reachd reflector monitoring)
  cpack_add_component(${group}-units GROUP ${group}-package)
endforeach()
