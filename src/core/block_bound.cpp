// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_bound.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace reachd {
namespace {

constexpr int halvings = 60;            // of [0, 1]: below the resolution of a double
constexpr double negligible = 1e-18;    // a term of the tail, beside its largest
constexpr double rounding_slack = 1e-9; // so that 5 % does not become 5.1 % by its last binary digit

double log_choose(double n, double k)
{
    return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// P(at most `blocked` of `n`) where each is blocked with the chance p, 0 < p < 1. Only asked above
// blocked / n, where the terms fall from the last one down.
double tail(std::uint64_t blocked, std::uint64_t n, double p)
{
    const auto total = static_cast<double>(n);
    const auto last = static_cast<double>(blocked);
    double term = std::exp(log_choose(total, last) + last * std::log(p) + (total - last) * std::log1p(-p));
    double sum = 0;
    // k is a whole number below 2^53, so that --k is exact.
    // NOLINTNEXTLINE(bugprone-float-loop-counter)
    for (double k = last; k >= 0 && term > sum * negligible; --k) {
        sum += term;
        term *= k / (total - k + 1) * (1 - p) / p; // choose(n, k - 1) from choose(n, k)
    }
    return sum;
}

} // namespace

double upper_share(std::uint64_t blocked, std::uint64_t n, double chance)
{
    if (n == 0 || blocked >= n) {
        return 1;
    }
    if (blocked == 0) {
        return 1 - std::pow(chance, 1 / static_cast<double>(n));
    }
    double low = static_cast<double>(blocked) / static_cast<double>(n);
    double high = 1;
    for (int i = 0; i < halvings; ++i) {
        const double middle = (low + high) / 2;
        if (middle >= 1) {
            break;
        }
        (tail(blocked, n, middle) > chance ? low : high) = middle;
    }
    return high;
}

std::string percent_above(double share)
{
    const double percent = std::clamp(share, 0.0, 1.0) * 100;
    if (percent <= 0) {
        return "0 %";
    }
    // Digits after the point so that two count: 12, 1.2, 0.12, 0.012.
    const auto digits_of = [](double value) {
        return std::max(0, 1 - static_cast<int>(std::floor(std::log10(value))));
    };
    const double unit = std::pow(10.0, digits_of(percent));
    const double up = std::ceil(percent * unit - rounding_slack) / unit;
    return fmt::format("{:.{}f} %", up, digits_of(up));
}

} // namespace reachd
