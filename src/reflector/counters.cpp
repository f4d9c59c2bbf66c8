// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/counters.hpp"

#include <fmt/format.h>

namespace reachd::reflector {

namespace {

constexpr double microseconds_in_s = 1e6;

template <class Number>
void put(std::string& out, const char* name, const char* kind, const char* help, Number value)
{
    out += fmt::format(
        "# HELP reachd_reflector_{0} {2}\n# TYPE reachd_reflector_{0} {1}\nreachd_reflector_{0} {3}\n", name,
        kind, help, value
    );
}

} // namespace

std::string to_prometheus(const counters& counted, const gauges& now)
{
    std::string out;
    put(out, "received_packets_total", "counter", "Datagrams and TCP messages.", counted.received);
    put(out, "received_bytes_total", "counter", "Their bytes.", counted.received_bytes);
    put(out, "sent_packets_total", "counter", "Replies and answers.", counted.sent);
    put(out, "sent_bytes_total", "counter", "Their bytes.", counted.sent_bytes);
    put(out, "answers_total", "counter", "Appointments kept.", counted.answers);
    put(out, "answers_late_seconds_total", "counter", "How much later than appointed, all together.",
        static_cast<double>(counted.late_us_sum) / microseconds_in_s);
    put(out, "answers_late_seconds_max", "gauge", "The latest since the start.",
        static_cast<double>(counted.late_us_max) / microseconds_in_s);
    put(out, "connections_accepted_total", "counter", "TCP connections.", counted.connections);
    put(out, "connections_refused_total", "counter", "Over a limit.", counted.connections_refused);
    put(out, "connections", "gauge", "TCP connections now.", now.connections);
    put(out, "appointments_waiting", "gauge", "Appointments that wait for their time.", now.waiting);
    put(out, "appointments_kept", "gauge", "Those and the finished ones that can be reported.", now.records);
    put(out, "keys", "gauge", "Keys in force.", now.keys);
    out += "# HELP reachd_reflector_dropped_total Packets without an answer.\n"
           "# TYPE reachd_reflector_dropped_total counter\n";
    for (std::size_t i = 1; i < drop_kinds; ++i) {
        out += fmt::format(
            "reachd_reflector_dropped_total{{reason=\"{}\"}} {}\n", to_string(static_cast<drop>(i)),
            counted.dropped.at(i)
        );
    }
    return out;
}

} // namespace reachd::reflector
