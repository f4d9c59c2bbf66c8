// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/tls_probe.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace reachd {

namespace asio = boost::asio;
namespace ssl = asio::ssl;

namespace {

// The common name, else the organisation, else the whole name on one line.
std::string short_name(X509_NAME* name)
{
    for (const int field : {NID_commonName, NID_organizationName}) {
        char text[256] = {};
        if (name && X509_NAME_get_text_by_NID(name, field, text, sizeof text) > 0) {
            return text;
        }
    }
    char line[256] = {};
    return name ? X509_NAME_oneline(name, line, sizeof line) : "";
}

std::string date_text(const ASN1_TIME* when)
{
    tm parts{};
    if (!when || ASN1_TIME_to_tm(when, &parts) != 1) {
        return {};
    }
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
        parts.tm_hour, parts.tm_min, parts.tm_sec
    );
}

bool is_date_fault(int code)
{
    return code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID;
}

// The chain is sound as far as it goes, and ends at a root that is not in the store.
bool is_missing_root(int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

std::string entry_of(X509_NAME* name, int field)
{
    char text[256] = {};
    return name && X509_NAME_get_text_by_NID(name, field, text, sizeof text) > 0 ? text : "";
}

bool is_in_store(SSL* handle, X509_NAME* subject)
{
    X509_STORE_CTX* search = X509_STORE_CTX_new();
    bool found = false;
    if (search &&
        X509_STORE_CTX_init(search, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(handle)), nullptr, nullptr)) {
        X509_OBJECT* object = X509_STORE_CTX_get_obj_by_subject(search, X509_LU_X509, subject);
        found = object != nullptr;
        X509_OBJECT_free(object);
    }
    X509_STORE_CTX_free(search);
    return found;
}

// The root that the presented chain ends at or names, unless the store has one of that very name: then
// this is another one.
std::optional<root_claim> missing_root_of(SSL* handle)
{
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(handle);
    const int length = chain ? sk_X509_num(chain) : 0;
    X509_NAME* name = length > 0 ? X509_get_issuer_name(sk_X509_value(chain, length - 1)) : nullptr;
    if (!name || is_in_store(handle, name)) {
        return std::nullopt;
    }
    return root_claim{
        .name = entry_of(name, NID_commonName), .organisation = entry_of(name, NID_organizationName)
    };
}

// The faults of a chain in the order in which OpenSSL met them; it reports only the last by itself.
struct chain_faults {
    int first_serious = X509_V_OK; // neither a date nor a name
    bool only_root = true;         // of the serious ones
    int date = X509_V_OK;
    int name = X509_V_OK;

    void note(int code)
    {
        auto& kind = is_date_fault(code) ? date : code == X509_V_ERR_HOSTNAME_MISMATCH ? name : first_serious;
        if (kind == X509_V_OK) {
            kind = code;
        }
        if (&kind == &first_serious) {
            only_root = only_root && is_missing_root(code);
        }
    }
};

tls_answer read_certificate(SSL* handle, const chain_faults& faults)
{
    tls_answer out;
    out.protocol = SSL_get_version(handle);
    X509* certificate = SSL_get1_peer_certificate(handle);
    if (certificate) {
        out.issuer = short_name(X509_get_issuer_name(certificate));
        out.subject = short_name(X509_get_subject_name(certificate));
        out.not_after = date_text(X509_get0_notAfter(certificate));
        X509_free(certificate);
    }
    const int worst = faults.first_serious != X509_V_OK ? faults.first_serious
                    : faults.name != X509_V_OK          ? faults.name
                                                        : faults.date;
    if (worst != X509_V_OK) {
        out.problem = X509_verify_cert_error_string(worst);
        out.wrong_name = worst == X509_V_ERR_HOSTNAME_MISMATCH;
        out.expired = is_date_fault(worst);
    } else if (!certificate) {
        out.problem = "no certificate";
    }
    const bool otherwise_sound = faults.only_root && faults.name == X509_V_OK && faults.date == X509_V_OK;
    if (faults.first_serious != X509_V_OK && otherwise_sound) {
        out.missing_root = missing_root_of(handle);
    }
    return out;
}

bool is_there(const char* variable, const char* otherwise)
{
    const char* named = std::getenv(variable);
    std::error_code code;
    const std::filesystem::path path{named ? named : otherwise};
    return std::filesystem::is_directory(path, code) ? !std::filesystem::is_empty(path, code)
                                                     : std::filesystem::exists(path, code);
}

// What set_default_verify_paths() will look at; it succeeds without any of it.
bool has_system_store()
{
    return is_there(X509_get_default_cert_file_env(), X509_get_default_cert_file()) ||
           is_there(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
}

bool is_alert(const boost::system::error_code& code)
{
    return code.category() == asio::error::get_ssl_category() &&
           ERR_GET_REASON(static_cast<unsigned long>(code.value())) >= SSL_AD_REASON_OFFSET;
}

// TLS 1.2: a server that asks for a client's certificate ends the handshake when it gets none. By then it
// has signed our random with its key (RFC 5246 section 7.4.3), unless the key exchange is static RSA.
bool has_proven_itself(SSL* handle)
{
    const SSL_CIPHER* cipher = SSL_get_current_cipher(handle);
    const auto state = SSL_get_state(handle);
    const bool had_our_end = state == TLS_ST_CW_FINISHED || state == TLS_ST_CR_SESSION_TICKET ||
                             state == TLS_ST_CR_CHANGE || state == TLS_ST_CR_FINISHED;
    return cipher && SSL_version(handle) == TLS1_2_VERSION && had_our_end &&
           SSL_CIPHER_get_kx_nid(cipher) != NID_kx_rsa;
}

outcome outcome_of_error(const boost::system::error_code& code)
{
    if (code == asio::error::connection_reset || code == asio::error::broken_pipe) {
        return cut_off{.by_reset = true};
    }
    if (code == asio::error::eof || code == ssl::error::stream_truncated) {
        return cut_off{};
    }
    return tls_refused{code.message()};
}

} // namespace

result<std::shared_ptr<ssl::context>> make_trust(const std::string& ca_file)
{
    auto trust = std::make_shared<ssl::context>(ssl::context::tls_client);
    boost::system::error_code code;
    if (ca_file.empty() && !has_system_store()) {
        return std::unexpected(
            error{
                errc::not_found,
                stage::configure,
                "this system has no trust store (package ca-certificates); install one or name a PEM file in "
                "tls.ca_file",
            }
        );
    }
    if (ca_file.empty()) {
        trust->set_default_verify_paths(code);
    } else {
        trust->load_verify_file(ca_file, code);
    }
    if (code) {
        return std::unexpected(
            error{
                errc::unreadable,
                stage::configure,
                fmt::format(
                    "tls.ca_file {}: {}; name a PEM file of trusted certificates", ca_file, code.message()
                ),
            }
        );
    }
    // One record of an answer is all that is ever read: keep OpenSSL's buffers only while in use.
    SSL_CTX_set_mode(trust->native_handle(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(trust->native_handle(), SSL_SESS_CACHE_OFF);
    return trust;
}

std::vector<std::string> add_trust(ssl::context& trust, const std::vector<std::string>& extra_files)
{
    std::vector<std::string> unusable;
    for (const auto& file : extra_files) {
        boost::system::error_code code;
        trust.load_verify_file(file, code);
        if (code) {
            ERR_clear_error();
            unusable.push_back(
                fmt::format(
                    "tls.extra_ca_files {}: {}; certificates under its roots will not be trusted", file,
                    code.message()
                )
            );
        }
    }
    return unusable;
}

bool holds_root_of(ssl::context& trust, const std::string& owner)
{
    const auto* objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(trust.native_handle()));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
        X509* one = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        X509_NAME* subject = one ? X509_get_subject_name(one) : nullptr;
        if (entry_of(subject, NID_organizationName) == owner || entry_of(subject, NID_commonName) == owner) {
            return true;
        }
    }
    return false;
}

asio::awaitable<observation> tls_greeting(
    asio::ip::tcp::socket& socket, std::shared_ptr<ssl::context> trust, tls_peer peer, time_point deadline
)
{
    observation out{.kind = probe_kind::tls, .at = wall_now()};
    const auto begun = steady::now();
    ssl::stream<asio::ip::tcp::socket&> stream{socket, *trust};
    SSL* handle = stream.native_handle();
    auto& name = peer.name;
    if (!name.empty()) {
        // SSL_set_tlsext_host_name(), whose macro has an old-style cast.
        SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        SSL_set1_host(handle, name.c_str());
        for (const auto& other : peer.other_names) {
            SSL_add1_host(handle, other.c_str());
        }
    }
    chain_faults faults;
    const auto note_fault = [&faults](bool good, ssl::verify_context& context) {
        if (!good) {
            faults.note(X509_STORE_CTX_get_error(context.native_handle()));
        }
        return true;
    };
    boost::system::error_code setup;
    stream.set_verify_mode(ssl::verify_peer, setup);
    stream.set_verify_callback(note_fault, setup);
    auto [how, code] =
        co_await with_deadline(deadline, stream.async_handshake(ssl::stream_base::client, asio::deferred));
    out.took = steady::now() - begun;
    if (how == ended::expired) {
        out.what = no_reply{deadline - begun};
    } else if (how == ended::cancelled) {
        out.what = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
    } else if (code && !(is_alert(code) && has_proven_itself(handle))) {
        out.what = outcome_of_error(code);
    } else {
        auto answer = read_certificate(handle, faults);
        answer.ended_by_peer = static_cast<bool>(code);
        answer.anonymous = name.empty();
        out.what = std::move(answer);
    }
    co_return out;
}

} // namespace reachd
