// SPDX-License-Identifier: Apache-2.0
// attribution_parts.hpp: what attribute() is made of.
#pragma once

#include "reachd/core/evidence.hpp"
#include "reachd/core/inquiry.hpp"

#include <optional>

namespace reachd {

// The first endpoint with this flow that was probed.
const endpoint_state* endpoint_of(const site_state& site, const flow& which);

// Which box rejects by ICMP, and whose it is.
class rejection_judge {
public:
    rejection_judge(const plan& what, const site_state& site, const evidence& all)
        : what_{what}, site_{site}, all_{all}
    {
    }

    // Silence at first, as routers limit their ICMP: a later try was rejected aloud.
    [[nodiscard]] verdict judge_late(const flow& which, const ip_address& by) const;
    void locate(verdict& judged, const flow& which) const;

private:
    [[nodiscard]] bool may_be_down(const flow& which, const icmp_error& seen, unsigned number) const;
    // What that box said of the flow.
    [[nodiscard]] std::optional<icmp_error> last_word_of(const ip_address& box, const flow& which) const;
    [[nodiscard]] std::optional<unsigned> number_of_box(const flow& which, const ip_address& box) const;

    const plan& what_;
    const site_state& site_;
    const evidence& all_;
};

} // namespace reachd
