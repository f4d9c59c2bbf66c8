// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/inbound_result.hpp"

#include "inbound_words.hpp"
#include "reachd/core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>

namespace reachd {
namespace {

bool answers_inside(const inbound_seen& seen)
{
    const bool shook_hands = std::ranges::any_of(seen.inside, [](const observation& one) {
        return std::holds_alternative<connected>(one.what);
    });
    // A box that only completes handshakes acknowledges nothing after them.
    return shook_hands && !std::holds_alternative<no_reply>(seen.inside.back().what);
}

// Something is there that a stranger could reach: without it silence outside shows nothing.
bool is_there(const inbound_seen& seen)
{
    return answers_inside(seen) || seen.listens_here;
}

bool was_let_in(const inbound_seen& seen)
{
    return seen.knock && seen.knock->seen.outcome == wire::inbound_outcome::connected;
}

bool was_kept_out(const inbound_seen& seen)
{
    using enum wire::inbound_outcome;
    return seen.knock && (seen.knock->seen.outcome == refused || seen.knock->seen.outcome == silent ||
                          seen.knock->seen.outcome == icmp);
}

const inbound_visit* last_visit(const inbound_seen& seen, wall_time now)
{
    const auto last = std::ranges::max_element(seen.visits, {}, &inbound_visit::at);
    return last != seen.visits.end() && now - last->at <= visit_counts_for ? &*last : nullptr;
}

// Allowed sources of which no connection was seen in the last days: the firewall may still shut them out.
std::vector<ip_address> unseen_sources(const inbound& what, const inbound_seen& seen, wall_time now)
{
    std::vector<ip_address> out;
    std::ranges::copy_if(what.sources, std::back_inserter(out), [&](const ip_address& source) {
        const auto found = std::ranges::find(seen.visits, source, &inbound_visit::source);
        return found == seen.visits.end() || now - found->at > visit_counts_for;
    });
    return out;
}

// What it was that answered the stranger, as far as that shows.
std::string who_answered(const inbound_knock& knock, const inbound_seen& seen)
{
    auto text = knock.seen.banner.empty() ? fmt::format("it said nothing within {}", to_text(knock.waited))
                                          : fmt::format("it said \"{}\"", said_text(knock));
    if (knock.arrived) {
        text += "; the connection reached the service's own socket on this machine";
    } else if (!is_there(seen)) {
        text += "; the service does not answer inside the site, so something else answers there";
    } else if (knock.seen.banner.empty()) {
        text += "; whether that is the service or a box in front of it does not show";
    }
    return fmt::format(
        "{} answered reflector {} ({}) after {}: {}", to_text(knock.to), knock.by, to_text(knock.from),
        to_text(duration{microseconds{knock.seen.took_us}}), text
    );
}

std::string inside_text(const inbound_config& here, const inbound_seen& seen)
{
    if (answers_inside(seen)) {
        return fmt::format("{} answers inside the site", to_text(here.service));
    }
    const auto word =
        seen.inside.empty() ? std::string{"it was not probed yet"} : describe(seen.inside.back().what);
    if (seen.listens_here) {
        return fmt::format(
            "{} has a listener on this machine and does not answer it ({})", to_text(here.service), word
        );
    }
    return fmt::format("{} does not answer inside the site: {}", to_text(here.service), word);
}

// What would prove that nobody else is let in; "" where that is known.
std::string how_to_show_shut(const inbound_config& here, const inbound_seen& seen)
{
    if (was_kept_out(seen) && is_there(seen)) {
        return {};
    }
    if (!here.published) {
        return "name the published port as `public` of the row under `inbound`, so that a reflector can try "
               "it";
    }
    return "a reflector outside the site that is not an allowed source, with connect_back on, would show "
           "whether others are kept out";
}

// What would prove that the allowed sources are let in; "" where that is known.
std::string how_to_show_open(const inbound& what, const inbound_seen& seen, wall_time now)
{
    const auto unseen = unseen_sources(what, seen, now);
    if (unseen.empty()) {
        return {};
    }
    const auto sources = fmt::format("{}", fmt::join(texts_of(unseen), " or "));
    return seen.listens_here && seen.no_watch.empty()
             ? fmt::format(
                   "a connection from {} would show that they are let in: the daemon, which keeps looking, "
                   "sees it",
                   sources
               )
             : fmt::format(
                   "reachd on the machine that runs the service would see a connection from {}, where no "
                   "proxy or "
                   "NAT hides who it is from",
                   sources
               );
}

inbound_judgement judge_let_in(const inbound& what, const inbound_seen& seen, wall_time now)
{
    inbound_judgement out{.answer = inbound_answer::fail};
    const auto& knock = *seen.knock;
    out.sentence = fmt::format(
        "over-exposed: {} lets in others than {}: {}", to_text(knock.to), allowed_text(what),
        knock_text(knock)
    );
    out.findings.push_back(who_answered(knock, seen));
    if (const auto* visit = last_visit(seen, now)) {
        out.findings.push_back(visit_text(*visit));
    }
    out.advice = fmt::format(
        "let only {} through to {} port {} in the site's firewall", allowed_text(what),
        to_text(knock.to.address), knock.to.port
    );
    return out;
}

std::string exposure_text(const inbound_seen& seen)
{
    if (!seen.knock) {
        return "whether others are kept out was not tried" +
               (seen.no_knock.empty() ? std::string{} : ": " + seen.no_knock);
    }
    auto text = knock_text(*seen.knock);
    if (was_kept_out(seen) && !is_there(seen)) {
        text += ", which shows nothing while the service does not answer";
    }
    return text;
}

inbound_judgement
judge_undecided(const inbound& what, const inbound_config& here, const inbound_seen& seen, wall_time now)
{
    inbound_judgement out;
    const auto* visit = last_visit(seen, now);
    const auto unseen = unseen_sources(what, seen, now);
    const auto missing =
        unseen.empty() ? std::string{}
                       : fmt::format("no connection of {} was seen", fmt::join(texts_of(unseen), " and "));
    const auto allowed = joined(visit ? visit_text(*visit) : std::string{}, missing);
    out.sentence = fmt::format("{}; {}; {}", inside_text(here, seen), exposure_text(seen), allowed);
    if (!is_there(seen) && !seen.inside.empty()) {
        out.advice = fmt::format(
            "start the service, or correct `service` of the row under `inbound`: {} is what was asked",
            to_text(here.service)
        );
        return out;
    }
    out.advice = joined(how_to_show_shut(here, seen), how_to_show_open(what, seen, now));
    return out;
}

} // namespace

namespace {

// A stranger's connection of long ago, or to an address that is not the public one any more.
bool is_out_of_date(const inbound_knock& knock, const inbound_config& here, wall_time now)
{
    return now - knock.at > visit_counts_for || (here.published && *here.published != knock.to);
}

inbound_judgement
judge_known(const inbound& what, const inbound_config& here, const inbound_seen& seen, wall_time now)
{
    if (was_let_in(seen)) {
        return judge_let_in(what, seen, now);
    }
    const auto* visit = last_visit(seen, now);
    // That a stranger was let in stays true for days; that one was kept out is only of the round that tried it.
    const bool kept_out = was_kept_out(seen) && seen.no_knock.empty();
    if (kept_out && is_there(seen) && visit && unseen_sources(what, seen, now).empty()) {
        return {
            .answer = inbound_answer::pass,
            .sentence = fmt::format("{}, and {}", visit_text(*visit), knock_text(*seen.knock)),
            .advice = {},
            .findings = {},
        };
    }
    return judge_undecided(what, here, seen, now);
}

} // namespace

inbound_judgement judge_inbound(
    const inbound& what, const std::optional<inbound_config>& here, const inbound_seen& seen, wall_time now
)
{
    if (!here) {
        return {
            .answer = inbound_answer::unproven,
            .sentence = fmt::format(
                "whether {} can connect to {}, and nobody else, cannot be seen without knowing where it is",
                allowed_text(what), what.service.empty() ? "it" : what.service
            ),
            .advice =
                "say under `inbound` in the configuration where the service is and at which public port",
            .findings = {},
        };
    }
    if (seen.knock && is_out_of_date(*seen.knock, *here, now)) {
        auto rest = seen;
        rest.knock.reset();
        return judge_known(what, *here, rest, now);
    }
    auto out = judge_known(what, *here, seen, now);
    if (seen.knock && !seen.no_knock.empty()) {
        out.findings.push_back(
            fmt::format(
                "the connection from outside is of {}; the last round had none: {}", to_text(seen.knock->at),
                seen.no_knock
            )
        );
    }
    return out;
}

std::string why_no_stranger(const inbound& what, const ip_address& reflector)
{
    return std::ranges::find(what.sources, reflector) == what.sources.end()
             ? std::string{}
             : fmt::format(
                   "{} is an allowed source itself, so that being let in would show nothing",
                   to_text(reflector)
               );
}

bool note_visit(const inbound& what, inbound_seen& seen, const ip_address& source, wall_time now)
{
    if (std::ranges::find(what.sources, source) == what.sources.end()) {
        return false;
    }
    const auto found = std::ranges::find(seen.visits, source, &inbound_visit::source);
    const bool known = found != seen.visits.end() && now - found->at <= visit_counts_for;
    if (found == seen.visits.end()) {
        seen.visits.push_back({source, now});
    } else {
        found->at = now;
    }
    return !known;
}

} // namespace reachd
