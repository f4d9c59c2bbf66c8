// SPDX-License-Identifier: Apache-2.0
// The way out that all flows share, walked once a vantage and family.
#include "order_book.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace reachd {
namespace {

constexpr std::size_t walked_first = 2; // flows to different addresses that show the way

class ways_out {
public:
    explicit ways_out(order_book& book) : book_{book}, all_{book.all} {}

    void run()
    {
        std::map<std::pair<std::string, family>, std::vector<const group*>> places;
        for (const auto& one : book_.groups) {
            const bool probed = std::ranges::any_of(one.members, [](const member& each) {
                return each.look != first_look::unknown;
            });
            if (probed) {
                places[{one.vantage, one.address.family}].push_back(&one);
            }
        }
        for (auto& [place, list] : places) {
            const auto answers = [](const group* one) {
                return one->transport == transport::tcp &&
                       std::ranges::any_of(one->members, [](const member& each) {
                           return each.look <= first_look::refused;
                       });
            };
            std::ranges::stable_partition(list, answers);
            const auto& way = all_.way(place.first, place.second);
            if (way.beyond > 0) {
                continue; // known well enough: other flows fill in the rest
            }
            walk(control_to(*list.front(), 0), way, {});
            for (std::size_t i = 0; i < std::min(walked_first, list.size()); ++i) {
                const auto& first = list[i]->members.front();
                walk(first.which, way, first.payload);
            }
        }
    }

private:
    void walk(const flow& which, const path& way, const std::string& payload)
    {
        const auto known = static_cast<unsigned>(way.hops.size());
        const auto last =
            way.beyond > 0 ? first_hops : std::min(last_hops, std::max(first_hops, known + beyond_target));
        book_.share(true);
        for (unsigned limit = 1; limit <= last; ++limit) {
            const auto at = all_.view(which).answered_at();
            if (at && limit > *at) {
                break;
            }
            book_.want(which, limit, walk_tries, need::icmp, payload);
        }
        book_.share(false);
    }

    order_book& book_;
    const evidence& all_;
};

} // namespace

void ask_about_ways_out(order_book& book)
{
    ways_out{book}.run();
}

} // namespace reachd
