// SPDX-License-Identifier: Apache-2.0
// redact.hpp: what is taken out of texts that leave the site.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace reachd {

// A configuration without secrets: each value whose key speaks of a secret, key, password, token, credential
// and the like, whatever it is, reads "(left out)".
nlohmann::json without_secrets(const nlohmann::json& value);

// Replaces addresses that are not global (RFC 1918, RFC 4193, link-local ...) by names, the same one for the
// same address in every text, so that they can still be told apart: "site-address-1".
class address_mask {
public:
    std::string apply(std::string_view text);
    [[nodiscard]] std::size_t count() const { return names_.size(); }

private:
    std::string masked(std::string_view word);
    std::map<std::string, std::string> names_;
};

} // namespace reachd
