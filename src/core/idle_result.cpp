// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/idle_result.hpp"

#include "reachd/core/site_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd {
namespace {

// Above what is required, so that the packet that comes at that very second is not lost.
constexpr seconds timer_margin{60};

bool is_measured(const plan_row& what, const row_state& row)
{
    return !what.not_configured.empty() || !row.not_run.empty() || (row.checked && !row.measuring);
}

const outbound_row* tcp_row(const plan_row& what)
{
    const auto* out = std::get_if<outbound_row>(&what.what);
    return out && out->transport == transport::tcp ? out : nullptr;
}

bool is_usable(const endpoint_state& one)
{
    // `open` has passed the spoof check: a proxy's acknowledgement proves nothing of the way behind it.
    return one.address && one.needed && one.transport == transport::tcp &&
           one.judged.kind == verdict_kind::open;
}

// Web servers hang up on those who say nothing.
bool hangs_up_soon(const endpoint_state& one)
{
    return one.port == 80 || one.port == 443;
}

std::optional<std::size_t> usable_endpoint(const row_state& row, bool hanging_up)
{
    for (std::size_t i = 0; i < row.endpoints.size(); ++i) {
        if (is_usable(row.endpoints[i]) && hangs_up_soon(row.endpoints[i]) == hanging_up) {
            return i;
        }
    }
    return std::nullopt;
}

// The rows in the order of preference: those named, then the catalogue's own, then the others.
std::vector<std::size_t> preferred_rows(const plan& what, const plan_row& row, const idle_timer& timer)
{
    std::vector<std::size_t> out;
    for (const auto& id : timer.over) {
        for (std::size_t i = 0; i < what.rows.size(); ++i) {
            if (what.rows[i].catalogue == row.catalogue && what.rows[i].id == id && tcp_row(what.rows[i])) {
                out.push_back(i);
            }
        }
    }
    return out;
}

} // namespace

std::vector<idle_need> idle_needs(const idle_timer& timer, const idle_config& rungs)
{
    const auto need = [&](idle_class which, const std::vector<seconds>& of) {
        return idle_need{.which = which, .required = timer.hold, .rungs = of, .longest = rungs.longest};
    };
    if (timer.transport == transport::tcp) {
        return {need(idle_class::tcp, rungs.tcp_rungs)};
    }
    return {need(idle_class::udp_single, rungs.udp_rungs), need(idle_class::udp_stream, rungs.udp_rungs)};
}

idle_choice choose_idle_target(const plan& what, const site_state& site, std::size_t idle_row)
{
    const auto& row = what.rows[idle_row];
    const auto& timer = std::get<idle_timer>(row.what);
    bool waiting = false;
    for (const auto i : preferred_rows(what, row, timer)) {
        for (const bool hanging_up : {false, true}) {
            if (const auto found = usable_endpoint(site.rows[i], hanging_up)) {
                return idle_target{i, *found};
            }
        }
        waiting = waiting || !is_measured(what.rows[i], site.rows[i]);
    }
    for (std::size_t i = 0; i < what.rows.size() && !waiting; ++i) {
        waiting = tcp_row(what.rows[i]) && !is_measured(what.rows[i], site.rows[i]);
    }
    if (waiting) {
        return idle_not_yet{};
    }
    for (const bool hanging_up : {false, true}) {
        for (const bool own : {true, false}) {
            for (std::size_t i = 0; i < what.rows.size(); ++i) {
                const bool wanted = tcp_row(what.rows[i]) && (what.rows[i].catalogue == row.catalogue) == own;
                if (const auto found = usable_endpoint(site.rows[i], hanging_up); wanted && found) {
                    return idle_target{i, *found};
                }
            }
        }
    }
    return idle_nowhere{
        timer.over.empty()
            ? std::string{"no TCP endpoint of this check answers"}
            : fmt::format(
                  "no TCP endpoint of this check answers, of {} or another row", fmt::join(timer.over, ", ")
              )
    };
}

idle_answer answer_of(const idle_timer& timer, const std::vector<idle_result>& results)
{
    const auto classes = timer.transport == transport::tcp ? 1U : 2U;
    std::size_t passing = 0;
    for (const auto& one : results) {
        if (one.judged.answer == idle_answer::fail) {
            return idle_answer::fail;
        }
        passing += one.judged.answer == idle_answer::pass ? 1U : 0U;
    }
    return passing >= classes ? idle_answer::pass : idle_answer::unproven;
}

std::string idle_row_sentence(const idle_timer& timer, const row_state& row)
{
    std::string out;
    for (const auto& one : row.idle) {
        const auto* word = class_word(one.which);
        out += fmt::format(
            "{}over {} ({} port {}){}{}: {}{}{}", out.empty() ? "" : "; ", one.via,
            to_text(one.target.address), one.target.port, word ? ", " : "", word ? word : "",
            one.judged.sentence, one.owner.sentence.empty() ? "" : "; ", one.owner.sentence
        );
    }
    if (!out.empty()) {
        return out;
    }
    const auto asked = fmt::format(
        "whether an idle {} mapping is held for {}", to_string(timer.transport), to_text(duration{timer.hold})
    );
    if (timer.transport == transport::udp) {
        return row.idle_why.empty() ? asked + " is settled by a reflector outside the site, which speaks "
                                              "first, or a STUN server; none is configured"
                                    : fmt::format("{}: {}", asked, row.idle_why);
    }
    return row.idle_why.empty() ? asked + " is not measured yet" : fmt::format("{}: {}", asked, row.idle_why);
}

std::string idle_row_advice(const idle_timer& timer, const row_state& row)
{
    for (const auto& one : row.idle) {
        if (one.judged.answer == idle_answer::fail || one.judged.at_limit) {
            return fmt::format(
                "set the idle timer for {} to {} s or more on the site's firewall and NAT (reachctl rules); "
                "if it is, "
                "ask the provider",
                to_string(timer.transport), (timer.hold + timer_margin).count()
            );
        }
    }
    return {};
}

std::string idle_row_finding(const row_state& row)
{
    if (!row.idle.empty() && !row.idle_why.empty()) {
        return fmt::format(
            "measured at {}, and not since: {}", to_text(row.idle.front().measured), row.idle_why
        );
    }
    const auto open = std::ranges::find_if(row.idle, [](const idle_result& one) {
        return one.judged.answer == idle_answer::unproven && !one.by_reflector;
    });
    if (open == row.idle.end()) {
        const auto told =
            std::ranges::find_if(row.idle, [](const idle_result& one) { return one.seen_as.has_value(); });
        return told == row.idle.end() ? std::string{}
                                      : fmt::format("{}: {}", told->via, to_sentence(*told->seen_as));
    }
    return fmt::format(
        "over a real service a loss can be proven, and what the server says by itself; that the server gets "
        "through after the silence is proven by a reflector{}{}",
        open->without.empty() ? "" : "; ", open->without
    );
}

} // namespace reachd
