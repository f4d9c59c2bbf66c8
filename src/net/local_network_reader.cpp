// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/local_network_reader.hpp"

#include "reachd/net/socket_options.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/route.h>
#include <sstream>
#include <sys/socket.h>

namespace reachd {
namespace {

// The block an interface's address lies in. A host route (/32, /128) has no neighbours.
void add_block(const ifaddrs& one, std::vector<ip_block>& blocks)
{
    const auto address = address_of(*one.ifa_addr);
    const auto mask = address_of(*one.ifa_netmask);
    const std::size_t length = address.is_v4() ? 4 : 16;
    ip_block block{.base = address};
    unsigned prefix = 0;
    for (std::size_t i = 0; i < length; ++i) {
        block.base.bytes[i] = address.bytes[i] & mask.bytes[i];
        prefix += static_cast<unsigned>(std::popcount(mask.bytes[i]));
    }
    block.prefix = static_cast<std::uint8_t>(prefix);
    if (prefix != 0 && prefix != length * 8) {
        blocks.push_back(block);
    }
}

// Short of something that comes back.
bool is_passing(int error_number)
{
    return error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM ||
           error_number == ENOBUFS;
}

bool add_blocks(std::vector<ip_block>& blocks)
{
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return !is_passing(errno);
    }
    for (const auto* one = list; one; one = one->ifa_next) {
        const bool usable = one->ifa_addr && one->ifa_netmask && !(one->ifa_flags & IFF_LOOPBACK) &&
                            (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
        if (usable) {
            add_block(*one, blocks);
        }
    }
    ::freeifaddrs(list);
    return true;
}

bool add_gateways_v4(std::vector<ip_address>& gateways)
{
    std::ifstream file{"/proc/net/route"};
    if (!file.is_open()) {
        return !is_passing(errno);
    }
    std::string line;
    std::getline(file, line); // the heading
    while (std::getline(file, line)) {
        std::istringstream fields{line};
        std::string interface;
        std::uint32_t destination = 0;
        std::uint32_t gateway = 0;
        std::uint32_t flags = 0;
        if (fields >> interface >> std::hex >> destination >> gateway >> flags && (flags & RTF_GATEWAY)) {
            ip_address address; // the file prints the address as it lies in memory
            std::memcpy(address.bytes.data(), &gateway, sizeof gateway);
            gateways.push_back(address);
        }
    }
    return true;
}

bool add_gateways_v6(std::vector<ip_address>& gateways)
{
    std::ifstream file{"/proc/net/ipv6_route"};
    if (!file.is_open()) {
        return !is_passing(errno);
    }
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream fields{line};
        std::string skipped;
        std::string hexadecimal;
        std::uint32_t flags = 0;
        fields >> skipped >> skipped >> skipped >> skipped >> hexadecimal >> skipped >> skipped >> skipped;
        if (!(fields >> std::hex >> flags) || !(flags & RTF_GATEWAY) || hexadecimal.size() != 32) {
            continue;
        }
        ip_address address{.family = family::v6};
        for (std::size_t i = 0; i < 16; ++i) {
            std::from_chars(&hexadecimal[2 * i], &hexadecimal[2 * i] + 2, address.bytes[i], 16);
        }
        gateways.push_back(address);
    }
    return true;
}

} // namespace

std::optional<local_network> read_local_network()
{
    local_network out;
    if (!add_blocks(out.on_link) || !add_gateways_v4(out.gateways) || !add_gateways_v6(out.gateways)) {
        return std::nullopt;
    }
    std::ranges::sort(out.gateways);
    const auto twice = std::ranges::unique(out.gateways);
    out.gateways.erase(twice.begin(), twice.end());
    return out;
}

} // namespace reachd
