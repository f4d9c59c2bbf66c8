// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/private_root.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {

void doubt_missing_root(
    verdict& judged, std::span<const observation> seen, const std::vector<std::string>& owners
)
{
    const auto* tls = seen.empty() ? nullptr : std::get_if<tls_answer>(&seen.back().what);
    if (!tls || !tls->missing_root || judged.kind != verdict_kind::intercepted) {
        return;
    }
    const auto& root = *tls->missing_root;
    if (std::ranges::find(owners, root.name) == owners.end() &&
        std::ranges::find(owners, root.organisation) == owners.end()) {
        return;
    }
    judged.kind = verdict_kind::unproven;
    judged.sentence = fmt::format(
        "its certificate, issued by {}, names the root {}, which is not among the trusted ones here: the "
        "vendor's own root, or somebody who uses its name; add the root's PEM file to tls.extra_ca_files "
        "to tell",
        tls->issuer, describe(root)
    );
}

} // namespace reachd
