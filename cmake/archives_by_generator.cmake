# SPDX-License-Identifier: Apache-2.0
# Read by CPack before each generator: one tarball of everything, one .rpm a group.
if(CPACK_GENERATOR STREQUAL "TGZ")
  set(CPACK_MONOLITHIC_INSTALL ON)
else()
  set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
endif()
