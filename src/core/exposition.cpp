// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/exposition.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

const char* to_string(metric_type type)
{
    switch (type) {
    case metric_type::counter: return "counter";
    case metric_type::gauge: return "gauge";
    case metric_type::histogram: return "histogram";
    }
    return "untyped";
}

// A HELP line has no quotes to escape; a label value has.
std::string escaped(std::string_view text, std::string_view special)
{
    std::string out;
    for (const char byte : text) {
        if (byte == '\n') {
            out += "\\n";
            continue;
        }
        if (special.find(byte) != std::string_view::npos) {
            out += '\\';
        }
        out += byte;
    }
    return out;
}

} // namespace

void exposition::family(std::string_view name, metric_type type, std::string_view help)
{
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help, "\\"), name, to_string(type));
}

void exposition::sample(const metric_labels& labels, double value, std::string_view suffix)
{
    text_ += name_;
    text_ += suffix;
    char before = '{';
    for (const auto& [label, content] : labels) {
        text_ += fmt::format("{}{}=\"{}\"", before, label, escaped(content, "\\\""));
        before = ',';
    }
    text_ += labels.empty() ? "" : "}";
    text_ += fmt::format(" {}\n", value); // the shortest text that reads back as the same number
}

void duration_histogram::observe(duration took)
{
    const auto took_s = std::chrono::duration<double>(took).count();
    for (std::size_t i = 0; i < std::size(bounds_s_); ++i) {
        counts_[i] += took_s <= bounds_s_[i] ? 1 : 0;
    }
    ++count_;
    sum_s_ += took_s;
}

void duration_histogram::write(exposition& out) const
{
    for (std::size_t i = 0; i < std::size(bounds_s_); ++i) {
        out.sample({{"le", fmt::format("{}", bounds_s_[i])}}, static_cast<double>(counts_[i]), "_bucket");
    }
    out.sample({{"le", "+Inf"}}, static_cast<double>(count_), "_bucket");
    out.sample({}, sum_s_, "_sum");
    out.sample({}, static_cast<double>(count_), "_count");
}

} // namespace reachd
