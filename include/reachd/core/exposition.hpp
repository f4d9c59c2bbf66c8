// SPDX-License-Identifier: Apache-2.0
// exposition.hpp: writes Prometheus's text format, which is small enough to be our own.
//
// Use     family() and then its sample()s, one family after the other; text() at the end.
// Shapes  Families come once each, and a family's samples together: the caller's order is kept.
// Units   Base units, in the name: _seconds, _bytes, _total of a counter (docs/MONITORING.md).
// Errors  none: label values are escaped.
// Source  https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
#pragma once

#include "reachd/core/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reachd {

inline constexpr const char* exposition_type = "text/plain; version=0.0.4; charset=utf-8";

enum class metric_type : std::uint8_t {
    counter,   // only grows
    gauge,     // goes up and down
    histogram, // observations in buckets
};

using metric_labels = std::vector<std::pair<std::string_view, std::string_view>>;

class exposition {
public:
    void family(std::string_view name, metric_type type, std::string_view help);
    // Of the family begun last; `suffix` is for histograms.
    void sample(const metric_labels& labels, double value, std::string_view suffix = "");
    void sample(double value) { sample({}, value); }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string name_;
    std::string text_;
};

// Counts how long something took, in fixed buckets.
class duration_histogram {
public:
    void observe(duration took);
    void write(exposition& out) const;

private:
    // Of the event loop: a millisecond is nothing, a tenth of a second delays probes.
    static constexpr double bounds_s_[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5};
    std::uint64_t counts_[std::size(bounds_s_)]{};
    std::uint64_t count_ = 0;
    double sum_s_ = 0;
};

} // namespace reachd
