// SPDX-License-Identifier: Apache-2.0
// What the traces say of each endpoint: who answered, what was let through, which box is at fault.
#include "attribution_parts.hpp"
#include "reachd/core/groups.hpp"
#include "reachd/core/inquiry.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace reachd {
namespace {

constexpr milliseconds own_drop_shows{1100}; // the first retransmission of a SYN, RFC 6298, and a margin

struct stand_in {
    first_look look = first_look::unknown;
    flow which;                         // itself
    std::optional<flow> representative; // nullopt: not compared yet
    bool forged = false;                // what came to it, or to one of this address that looks like it
};

// What members of a group look like of which somebody forges what comes to them.
std::set<first_look> forged_looks(const group& one, const evidence& all)
{
    std::set<first_look> out;
    for (const auto& each : one.members) {
        const bool spoken_to = each.look == first_look::connected || each.look == first_look::refused ||
                               each.look == first_look::rejected;
        if (spoken_to && all.is_forged(each.which)) {
            out.insert(each.look);
        }
    }
    return out;
}

// Every flow with the one whose traces speak for it.
std::map<flow, stand_in> make_stand_ins(const plan& what, const site_state& site, const evidence& all)
{
    std::map<flow, stand_in> out;
    for (const auto& one : make_groups(what, site)) {
        const auto silent = silent_representatives(all, one);
        const auto open = answering_representatives(all, one, first_look::connected);
        const auto shut = answering_representatives(all, one, first_look::refused);
        const auto forged = forged_looks(one, all);
        for (std::size_t i = 0; i < one.members.size(); ++i) {
            const auto& each = one.members[i];
            const auto index = each.look == first_look::connected ? open[i]
                             : each.look == first_look::refused   ? shut[i]
                             : each.look == first_look::silent    ? silent[i]
                                                                  : i;
            auto& entry = out[each.which];
            entry = {
                .look = each.look,
                .which = each.which,
                .representative = {},
                .forged = forged.contains(each.look),
            };
            if (index != nobody) {
                entry.representative = one.members[index].which;
            }
        }
    }
    return out;
}

std::string hops_text(unsigned count)
{
    return fmt::format("{} {}", count, count == 1 ? "hop" : "hops");
}

class attribution {
public:
    attribution(const plan& what, site_state& site)
        : what_{what},
          site_{site},
          all_{what, site},
          rejections_{what, site, all_},
          stand_ins_{make_stand_ins(what, site, all_)}
    {
    }

    void run()
    {
        for (std::size_t i = 0; i < site_.rows.size(); ++i) {
            const auto* row = std::get_if<outbound_row>(&what_.rows[i].what);
            for (auto& one : site_.rows[i].endpoints) {
                if (!row || !one.address || one.without_probing) {
                    continue;
                }
                const auto found =
                    stand_ins_.find(flow{one.vantage, {*one.address, one.port, one.transport}});
                if (found != stand_ins_.end()) {
                    refine(one.judged, found->second);
                    if (row->expect == expectation::blocked) {
                        name_who_lets_through(one.judged, found->second);
                    }
                }
            }
        }
    }

private:
    void refine(verdict& judged, const stand_in& how) const
    {
        if (how.forged) {
            return doubt_all(judged);
        }
        switch (how.look) {
        case first_look::connected:
        case first_look::refused: return judge_answer(judged, how);
        case first_look::silent: return judge_silence(judged, how);
        case first_look::rejected: return rejections_.locate(judged, how.which);
        case first_look::unknown: return judge_own_error(judged, how.which);
        case first_look::trusted: return;
        }
    }

    // Nothing that comes to it proves anything while somebody sends what seems to come from there.
    static void doubt_all(verdict& judged)
    {
        judged.kind = verdict_kind::unproven;
        judged.blame = blame::unknown;
        judged.where.reset();
        judged.sentence = "somebody forges answers: one came to a datagram that had ended on its way";
    }

    // "Host unreachable" of this machine itself blames the next hop: not while others pass it.
    void judge_own_error(verdict& judged, const flow& which) const
    {
        const bool near = std::ranges::any_of(site_.local.on_link, [&](const ip_block& block) {
            return block.contains(which.target.address);
        });
        const auto& way = way_of(which);
        if (judged.blame == blame::site && judged.stage == stage::route && !near && way.hops.size() > 0 &&
            way.hops.front().flows > 0) {
            judged.blame = blame::unknown;
            judged.sentence = "this machine itself says that it cannot be reached, while others can: its own "
                              "packet filter, or the next hop of this route";
        }
    }

    const path& way_of(const flow& which) const
    {
        return all_.way(which.vantage, which.target.address.family);
    }

    // The pair of hops [after, before] on the way of a flow; the target's own address at its distance.
    location pair_of(const flow& which, unsigned after, unsigned before, bool before_is_target) const
    {
        location out{.at = {}, .after = all_.hop_at(which, after), .before = all_.hop_at(which, before)};
        if (before_is_target) {
            out.before->address = which.target.address;
        }
        return out;
    }

    blame blame_of_pair(const flow& which, unsigned after, unsigned before, bool before_is_target) const
    {
        const auto& way = way_of(which);
        const auto found = blame_between(way, after, before);
        // The last router and the destination's own packet filter look the same.
        return before_is_target && before > way.edge ? blame::unknown : found;
    }

    std::string pair_text(const flow& which, const location& where, blame who) const
    {
        auto text = describe(where);
        if (who == blame::edge) {
            text += ": the site's firewall on its way out, or the provider's first box on its way in";
        } else if (where.before && where.before->address == which.target.address) {
            const auto from = where.after ? where.after->number : std::nullopt;
            const bool apart = from && *from + 1 < where.before->number.value_or(0);
            text += apart ? ": one of the boxes between, or the destination's own packet filter"
                          : ": the last router, or the destination's own packet filter";
        }
        return text;
    }

    // --- answers ---

    // An answer that somebody else made: from between hops `at` - 1 and `at`.
    void accuse(verdict& judged, const flow& which, unsigned at, const std::string& proof) const
    {
        const bool shut = judged.kind == verdict_kind::closed || judged.kind == verdict_kind::blocked;
        judged.kind =
            shut && judged.stage == stage::connect ? verdict_kind::blocked : verdict_kind::intercepted;
        const auto* verb = judged.kind == verdict_kind::blocked ? "reset" : "answered in its name";
        const auto& own = all_.view(which);
        if (at == 1 && own.link_answers == 0 && own.link_silences > 0) {
            judged.blame = blame::host;
            judged.where.reset();
            judged.sentence =
                fmt::format("{} by this machine itself: its packet filter or a local proxy", verb);
            return;
        }
        const bool at_target = all_.facts(which.vantage, which.target.address).spoke_at == at;
        judged.where = pair_of(which, at - 1, at, at_target);
        if (const auto next = all_.onward(which, at - 1); next && next->number == at) {
            judged.where->before->address = next->address;
        }
        judged.blame =
            at == 1 && own.link_answers == 0 ? blame::unknown : blame_of_pair(which, at - 1, at, at_target);
        judged.sentence =
            fmt::format("{} {}; {}", verb, pair_text(which, *judged.where, judged.blame), proof);
    }

    // A box of the site sends the flow elsewhere, whoever answers there.
    void accuse_translator(verdict& judged, const flow& which, unsigned number) const
    {
        const auto& way = way_of(which);
        judged.kind = verdict_kind::intercepted;
        judged.where = location{.at = way.at(number), .after = {}, .before = {}};
        judged.blame = blame::site;
        judged.sentence = fmt::format(
            "{} sends it to another address (DNAT): it says \"time exceeded\" in the destination's own name",
            describe(way.at(number))
        );
    }

    // A datagram to a port at which nothing listens is answered from the same distance.
    bool replies_everywhere(const flow& which) const
    {
        const auto at = all_.view(which).answered_at();
        const auto& known = all_.facts(which.vantage, which.target.address);
        return at && !known.spoke_at && std::ranges::any_of(known.flows, [&](const flow& other) {
                   // On another of several parallel ways it would say nothing of this one.
                   const bool elsewhere = all_.view(which).transit.contains(*at - 1) &&
                                          all_.view(other).transit.contains(*at - 1) &&
                                          !all_.meets_same(which, other, *at - 1);
                   return is_control(other.target) && all_.view(other).answered_at() == at && !elsewhere;
               });
    }

    // The canary of its port was answered, and nothing shows that this answer is another one.
    bool is_everybodys(const flow& which) const
    {
        if (which.target.transport != transport::tcp) {
            return replies_everywhere(which);
        }
        const flow canary{which.vantage, canary_for(which.target.address.family, which.target.port)};
        return all_.view(canary).plain_answers > 0 && all_.origin_of(which) != origin::consistent;
    }

    // Where no hop says anything: another port of this address accepts connections from the same distance.
    bool is_beside_an_open_one(const flow& which, unsigned at) const
    {
        const auto& known = all_.facts(which.vantage, which.target.address);
        return std::ranges::any_of(known.flows, [&](const flow& other) {
            return other != which && all_.view(other).was_connected && all_.view(other).answered_at() == at;
        });
    }

    bool is_answered_farther(const flow& which, unsigned at) const
    {
        const auto& known = all_.facts(which.vantage, which.target.address);
        return std::ranges::any_of(known.flows, [&](const flow& other) {
            return other != which && all_.view(other).answered_at() > at;
        });
    }

    // Distances out and back that do not go together: a box that answers in its name, or an innocent one.
    void doubt_its_distance(verdict& judged, const flow& which, unsigned at) const
    {
        const auto from = all_.origin_of(which);
        if (from != origin::outdone && from != origin::disguised) {
            return;
        }
        judged.kind = verdict_kind::unproven;
        judged.blame = blame::unknown;
        judged.where.reset();
        judged.sentence =
            from == origin::outdone
                ? fmt::format(
                      "{}; by its TTL that comes from nearer than what else this address says: the last "
                      "router in its name, or servers at different distances behind one address",
                      judged.sentence
                  )
                : fmt::format(
                      "{} with only {} allowed, and by its TTL from no nearer than the destination: a box "
                      "that rewrites TTLs, or one that imitates the destination's",
                      judged.sentence, hops_text(at)
                  );
    }

    void judge_answer(verdict& judged, const stand_in& how) const
    {
        const bool says_something = judged.kind == verdict_kind::open ||
                                    judged.kind == verdict_kind::closed ||
                                    judged.kind == verdict_kind::intercepted ||
                                    (judged.kind == verdict_kind::blocked && judged.stage != stage::route) ||
                                    judged.kind == verdict_kind::unproven;
        if (!says_something || !how.representative) {
            return;
        }
        const auto& which = *how.representative;
        const auto at = all_.view(which).answered_at();
        const auto& own = all_.view(how.which);
        if ((judged.kind == verdict_kind::open && judged.stage == stage::connect && own.was_refused) ||
            (judged.kind == verdict_kind::closed && own.was_connected)) {
            judged.kind = verdict_kind::unproven;
            judged.blame = blame::unknown;
            judged.where.reset();
            judged.sentence =
                "connects at one time and is refused (RST) at another: parallel ways, or a change "
                "while it was looked at";
            return;
        }
        if (const auto number = all_.translated_at(which); at && number) {
            return accuse_translator(judged, which, *number);
        }
        if (at && all_.origin_of(which) == origin::near) {
            const auto others = all_.farthest_other(which);
            return accuse(
                judged, which, *at,
                others >= *at
                    ? fmt::format(
                          "it comes back with only {} allowed, and the destination is more than {} away",
                          hops_text(*at), others
                      )
                : is_answered_farther(which, *at)
                    ? fmt::format(
                          "it comes back with only {} allowed, and another port of this address is answered "
                          "from "
                          "farther away",
                          hops_text(*at)
                      )
                    : "its TTL shows that it comes from nearer than the destination"
            );
        }
        if (which.target.transport == transport::udp && at && is_everybodys(which)) {
            return accuse(judged, which, *at, "a port at which nothing listens is answered alike");
        }
        if (is_everybodys(which)) {
            const flow canary{which.vantage, canary_for(which.target.address.family, which.target.port)};
            if (const auto canary_at = all_.view(canary).answered_at();
                canary_at && (!at || *at == *canary_at)) {
                return accuse(
                    judged, canary, *canary_at,
                    "the same answer comes for an address that does not exist (192.0.2.77, 100::77)"
                );
            }
        }
        if (judged.kind == verdict_kind::closed && at && all_.origin_of(which) == origin::consistent) {
            judged.blame = blame::service;
            judged.sentence = "refused by the destination itself: nothing listens there";
        }
        const bool green = judged.kind == verdict_kind::open || judged.kind == verdict_kind::closed;
        if (green && at && all_.origin_of(which) == origin::contradicted) {
            judged.kind = verdict_kind::unproven;
            judged.blame = blame::unknown;
            judged.where.reset();
            judged.sentence = fmt::format(
                "{} with {} hops allowed, while other flows to this address go farther: a box on the way, or "
                "parallel ways of unequal length",
                judged.sentence, *at
            );
            return;
        }
        if (green && at) {
            doubt_its_distance(judged, which, *at);
        }
        // Its own ICMP error (blame service) needs no control.
        if (green && judged.blame != blame::service && at && all_.origin_of(which) == origin::inconclusive) {
            judged.sentence += "; whether the destination itself does could not be checked: no control flow "
                               "gets that far";
            // A RST from no farther than the first box past the edge may be the site's own firewall's.
            const auto edge = way_of(which).edge;
            const bool may_be_site = edge == 0 ? !is_beside_an_open_one(which, *at) : *at <= edge + 1;
            if (judged.kind == verdict_kind::closed && may_be_site) {
                judged.kind = verdict_kind::unproven;
                judged.sentence += ", and it was not seen to leave the site";
            }
        }
    }

    // --- silence ---

    // A SYN that the own filter drops is told from one that is lost once it was sent again, after a second
    // (net/tcp_facts.hpp); a datagram fails at once.
    bool may_be_own_drop(const flow& which) const
    {
        if (which.target.transport == transport::udp) {
            return false;
        }
        const auto* one = endpoint_of(site_, which);
        const auto* silence = one ? std::get_if<no_reply>(&one->seen.back().what) : nullptr;
        return !silence || silence->waited < own_drop_shows;
    }

    void judge_silence(verdict& judged, const stand_in& how) const
    {
        if (!how.representative ||
            (judged.kind != verdict_kind::blocked && judged.kind != verdict_kind::unproven)) {
            return;
        }
        const auto& which = *how.representative;
        const auto found = passage_of(all_, which);
        switch (found.kind) {
        case passage_kind::unsettled:
        case passage_kind::unheard:
        case passage_kind::nowhere: return;
        case passage_kind::rejected:
            judged = rejections_.judge_late(which, *found.by);
            return rejections_.locate(judged, which);
        case passage_kind::let_through:
            if (all_.is_forged(which)) {
                return doubt_all(judged); // "time exceeded" is forged as easily
            }
            judged.kind = verdict_kind::permitted;
            judged.stage = stage::reply;
            judged.blame = blame::unknown;
            judged.where.reset();
            judged.sentence = fmt::format(
                "let through: seen past the site's edge at {}; no answer came back",
                describe(all_.hop_at(which, found.after))
            );
            return;
        case passage_kind::held_back:
            judged.kind = verdict_kind::unproven;
            judged.blame = blame::unknown;
            judged.where.reset();
            judged.sentence = fmt::format(
                "seen past the site's edge at {}, and no answer came back; the next box rejects others, and "
                "may have "
                "rejected this without a word, as boxes limit their ICMP",
                describe(all_.hop_at(which, found.after))
            );
            return;
        case passage_kind::dropped:
            judged.kind = verdict_kind::blocked;
            judged.stage = stage::connect;
            judged.where = pair_of(which, found.after, found.before, found.before_is_target);
            if (found.before_box) {
                judged.where->before->address = found.before_box;
            }
            // This machine's own filter drops before the first hop just as the first box does, unless a
            // longer wait would have shown it.
            judged.blame = found.after == 0 && may_be_own_drop(which)
                             ? blame::unknown
                             : blame_of_pair(which, found.after, found.before, found.before_is_target);
            judged.sentence = fmt::format("dropped {}", pair_text(which, *judged.where, judged.blame));
            judged.left_site = way_of(which).beyond > 0 && found.after >= way_of(which).beyond;
            return;
        }
    }

    // --- least privilege ---

    void name_who_lets_through(verdict& judged, const stand_in& how) const
    {
        const bool through = judged.kind == verdict_kind::open || judged.kind == verdict_kind::closed ||
                             judged.kind == verdict_kind::permitted;
        const auto& way = way_of(how.which);
        if (through && way.edge > 0) {
            judged.sentence += fmt::format("; the site's edge, {}, lets it out", describe(way.at(way.edge)));
        }
    }

    const plan& what_;
    site_state& site_;
    evidence all_;
    rejection_judge rejections_;
    std::map<flow, stand_in> stand_ins_;
};

} // namespace

void attribute(const plan& what, site_state& site)
{
    if (!site.traces.empty()) { // without them there is nothing to add
        attribution{what, site}.run();
    }
}

} // namespace reachd
