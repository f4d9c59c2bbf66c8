// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/site_metrics.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace reachd {
namespace {

constexpr std::array row_answers{
    row_answer::pass, row_answer::fail, row_answer::unproven, row_answer::not_configured
};
constexpr std::array site_answers{site_answer::ready, site_answer::not_ready, site_answer::unproven};
constexpr std::array verdict_kinds{
    verdict_kind::open,        verdict_kind::closed,     verdict_kind::permitted, verdict_kind::blocked,
    verdict_kind::intercepted, verdict_kind::unresolved, verdict_kind::unproven,
};

double seconds_of(wall_time when)
{
    return std::chrono::duration<double>(when.time_since_epoch()).count();
}

double seconds_of(duration span)
{
    return std::chrono::duration<double>(span).count();
}

double number(std::size_t count)
{
    return static_cast<double>(count);
}

const char* kind_of(const plan_row& row)
{
    return std::holds_alternative<outbound_row>(row.what) ? "outbound"
         : std::holds_alternative<idle_timer>(row.what)   ? "idle"
                                                          : "inbound";
}

const char* class_of(idle_class which)
{
    switch (which) {
    case idle_class::tcp: return "tcp";
    case idle_class::udp_single: return "udp_single";
    case idle_class::udp_stream: return "udp_stream";
    }
    return "";
}

// Writes one family with a sample or more of each row.
class row_writer {
public:
    row_writer(exposition& out, const plan& what, const site_state& site)
        : out_{&out}, what_{&what}, site_{&site}
    {
    }

    template <class Write>
    void each(const char* name, const char* help, Write write) const
    {
        out_->family(name, metric_type::gauge, help);
        for (std::size_t i = 0; i < what_->rows.size(); ++i) {
            const metric_labels labels{
                {"catalogue", what_->rows[i].catalogue}, {"requirement", what_->rows[i].id}
            };
            write(labels, what_->rows[i], site_->rows[i]);
        }
    }
    void sample(metric_labels labels, std::string_view label, std::string_view word, double value) const
    {
        labels.emplace_back(label, word);
        out_->sample(labels, value);
    }

private:
    exposition* out_;
    const plan* what_;
    const site_state* site_;
};

void write_site(exposition& out, const plan& what, const site_state& site)
{
    out.family("reachd_site_info", metric_type::gauge, "The site's name as configured.");
    out.sample({{"site", what.config.site}}, 1);
    out.family(
        "reachd_site_state", metric_type::gauge,
        "The one answer: 1 for the state that the site is in, 0 for the others."
    );
    for (const auto one : site_answers) {
        out.sample({{"state", to_string(one)}}, site.state == one ? 1 : 0);
    }
    if (site.since != wall_time{}) {
        out.family(
            "reachd_site_state_changed_timestamp_seconds", metric_type::gauge,
            "When the site's state last changed."
        );
        out.sample(seconds_of(site.since));
    }
    std::optional<wall_time> latest;
    for (const auto& row : site.rows) {
        latest = row.checked ? std::max(latest.value_or(*row.checked), *row.checked) : latest;
    }
    if (latest) {
        out.family(
            "reachd_site_measured_timestamp_seconds", metric_type::gauge,
            "When the last round of any requirement ended."
        );
        out.sample(seconds_of(*latest));
    }
}

void write_states(exposition& out, const row_writer& rows)
{
    rows.each(
        "reachd_requirement_info", "Each requirement: its kind and role.",
        [&](metric_labels labels, const plan_row& what, const row_state&) {
            labels.emplace_back("kind", kind_of(what));
            labels.emplace_back("role", what.role == role::primary ? "primary" : "disaster_recovery");
            out.sample(labels, 1);
        }
    );
    rows.each(
        "reachd_requirement_state", "1 for the state that the requirement is in, 0 for the others.",
        [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            for (const auto one : row_answers) {
                rows.sample(labels, "state", to_string(one), state.state == one ? 1 : 0);
            }
        }
    );
    rows.each(
        "reachd_requirement_state_changed_timestamp_seconds", "When the requirement's state last changed.",
        [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            if (state.since != wall_time{}) {
                out.sample(labels, seconds_of(state.since));
            }
        }
    );
    rows.each(
        "reachd_requirement_measured_timestamp_seconds", "When the requirement's last round ended.",
        [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            if (state.checked) {
                out.sample(labels, seconds_of(*state.checked));
            }
        }
    );
}

void write_endpoints(const row_writer& rows)
{
    rows.each(
        "reachd_requirement_endpoints", "Endpoints of the requirement by what they mean for it.",
        [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            rows.sample(labels, "result", "pass", number(state.counts.pass));
            rows.sample(labels, "result", "fail", number(state.counts.fail));
            rows.sample(labels, "result", "unproven", number(state.counts.unproven));
        }
    );
    rows.each(
        "reachd_requirement_verdicts", "Endpoints of the requirement by verdict.",
        [&](const metric_labels& labels, const plan_row& what, const row_state& state) {
            if (!std::holds_alternative<outbound_row>(what.what)) {
                return;
            }
            for (const auto kind : verdict_kinds) {
                const auto count = std::ranges::count_if(state.endpoints, [&](const endpoint_state& one) {
                    return one.judged.kind == kind;
                });
                rows.sample(labels, "verdict", to_string(kind), static_cast<double>(count));
            }
        }
    );
}

// Ascending; of the endpoints that were answered.
std::vector<duration> round_trips(const row_state& state)
{
    std::vector<duration> out;
    for (const auto& one : state.endpoints) {
        if (const auto rtt = round_trip(one.seen)) {
            out.push_back(*rtt);
        }
    }
    std::ranges::sort(out);
    return out;
}

void write_round_trips(exposition& out, const row_writer& rows)
{
    using pick = std::function<std::size_t(std::size_t)>;
    const auto family = [&](const char* name, const char* help, const pick& which) {
        rows.each(name, help, [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            if (const auto all = round_trips(state); !all.empty()) {
                out.sample(labels, seconds_of(all[which(all.size())]));
            }
        });
    };
    family(
        "reachd_requirement_rtt_min_seconds", "Shortest round trip to an endpoint of the requirement.",
        [](std::size_t) { return 0; }
    );
    family(
        "reachd_requirement_rtt_median_seconds", "Median round trip to the requirement's endpoints.",
        [](std::size_t size) { return (size - 1) / 2; }
    );
    family(
        "reachd_requirement_rtt_max_seconds", "Longest round trip to an endpoint of the requirement.",
        [](std::size_t size) { return size - 1; }
    );
}

void write_idle(const row_writer& rows)
{
    using pick = std::function<std::optional<double>(const idle_result&)>;
    const auto family = [&](const char* name, const char* help, const pick& value) {
        rows.each(name, help, [&](const metric_labels& labels, const plan_row&, const row_state& state) {
            for (const auto& one : state.idle) {
                if (const auto found = value(one)) {
                    rows.sample(labels, "class", class_of(one.which), *found);
                }
            }
        });
    };
    const auto of = [](const std::optional<duration>& span) {
        return span ? std::optional{seconds_of(*span)} : std::nullopt;
    };
    family(
        "reachd_idle_required_seconds", "Silence that a flow of the requirement must survive.",
        [](const idle_result& one) { return seconds_of(one.required); }
    );
    family(
        "reachd_idle_held_seconds", "Longest silence after which the server was heard.",
        [&](const idle_result& one) { return of(one.judged.held); }
    );
    family(
        "reachd_idle_answered_seconds", "Longest silence after which a packet from inside was answered.",
        [&](const idle_result& one) { return of(one.judged.answered); }
    );
    family(
        "reachd_idle_lost_seconds", "Shortest silence that flows did not survive.",
        [&](const idle_result& one) { return of(one.judged.lost); }
    );
    family(
        "reachd_idle_measured_timestamp_seconds", "When the requirement's last ladder ended.",
        [](const idle_result& one) {
            return one.measured == wall_time{} ? std::nullopt : std::optional{seconds_of(one.measured)};
        }
    );
}

void write_traffic(exposition& out, const plan& what, const site_state& site)
{
    const auto& counts = site.sent.counts();
    out.family(
        "reachd_packets_sent_total", metric_type::counter, "Packets sent, by kind; DNS is an estimate."
    );
    out.sample({{"kind", "syn"}}, number(counts.syns));
    out.sample({{"kind", "segment"}}, number(counts.segments));
    out.sample({{"kind", "datagram"}}, number(counts.datagrams));
    out.sample({{"kind", "dns_question"}}, number(counts.dns_questions));
    out.family("reachd_inquiry_probes_total", metric_type::counter, "Probes with a limited number of hops.");
    out.sample(number(counts.inquiries));
    out.family("reachd_block_samples_total", metric_type::counter, "Samples of address blocks.");
    out.sample(number(counts.samples));
    out.family(
        "reachd_probes_left_out_total", metric_type::counter,
        "Probes not sent, as the inquiry had reached its cap."
    );
    out.sample(number(counts.left_out));
    out.family(
        "reachd_nat_entries_max", metric_type::gauge, "Most entries that lived at once in NATs on the way."
    );
    out.sample(number(counts.most_at_once));
    out.family("reachd_nat_entries_limit", metric_type::gauge, "Limit of these entries; 0 for none.");
    out.sample(what.config.limits.nat_entries);
}

} // namespace

void write_site_metrics(exposition& out, const plan& what, const site_state& site)
{
    const row_writer rows{out, what, site};
    write_site(out, what, site);
    write_states(out, rows);
    write_endpoints(rows);
    write_round_trips(out, rows);
    write_idle(rows);
    write_traffic(out, what, site);
}

} // namespace reachd
