// SPDX-License-Identifier: Apache-2.0
// catalogue_fields.hpp: the members of an outbound row that need no other row and no value.
//
// Errors  Faults go to the reader; what is returned beside them is empty.
#pragma once

#include "reachd/core/catalogue.hpp"
#include "reachd/core/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// A list that holds between one and `most` texts, none twice.
std::vector<std::string> read_list(object_reader& reader, std::string_view key, std::size_t most);
std::vector<std::string> read_host_names(object_reader& reader, std::string_view key);
// What a datagram holds or a reply begins with.
std::string read_payload(object_reader& reader, std::string_view key, transport kind);
// What TLS the row's named hosts speak, and where clients go when that is shut.
void read_tls(object_reader& reader, outbound& row);

} // namespace reachd
