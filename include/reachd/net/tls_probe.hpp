// SPDX-License-Identifier: Apache-2.0
// tls_probe.hpp: one TLS handshake with SNI and verification, on a connection that stands.
//
// Use      make_trust() once; tls_greeting() per connection.
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Lifetime `socket` and `trust` outlive the call.
// Errors   An untrusted certificate is an observation: the handshake is carried on to the end, so that
//          the issuer can be named.
// Source   RFC 6066 section 3 (SNI), RFC 9525 (names), OpenSSL 3.0 X509_VERIFY_PARAM_set1_host.
#pragma once

#include "reachd/core/observation.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <vector>

namespace reachd {

// The trust store: `ca_file`, or the system's when that is empty (SSL_CERT_FILE is honoured).
result<std::shared_ptr<boost::asio::ssl::context>> make_trust(const std::string& ca_file);

// Adds the roots of these PEM files; answers a sentence for each file that cannot be used.
std::vector<std::string>
add_trust(boost::asio::ssl::context& trust, const std::vector<std::string>& extra_files);

// Whether a root of this owner (organisation or common name) is among those read from files.
bool holds_root_of(boost::asio::ssl::context& trust, const std::string& owner);

// Whom to ask for, by SNI, and for whom a certificate may be besides.
struct tls_peer {
    std::string name; // "" for a bare address
    std::vector<std::string> other_names;
};

// Without a name no SNI is sent, and the answer is marked anonymous.
boost::asio::awaitable<observation> tls_greeting(
    boost::asio::ip::tcp::socket& socket, std::shared_ptr<boost::asio::ssl::context> trust, tls_peer peer,
    time_point deadline
);

} // namespace reachd
