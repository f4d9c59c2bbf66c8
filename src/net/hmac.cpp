// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/hmac.hpp"

#include <memory>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdexcept>

namespace reachd {

namespace {

using mac_context = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;

// Looking an algorithm up costs more than the HMAC of a packet (OpenSSL 3.0): each is looked up once.
mac_context context_for(const char* digest)
{
    const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac{
        EVP_MAC_fetch(nullptr, "HMAC", nullptr), EVP_MAC_free
    };
    mac_context out{mac ? EVP_MAC_CTX_new(mac.get()) : nullptr, EVP_MAC_CTX_free};
    std::string name{digest};
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0), OSSL_PARAM_construct_end()
    };
    if (!out || EVP_MAC_CTX_set_params(out.get(), parameters) != 1) {
        throw std::runtime_error{"OpenSSL has no HMAC with this digest"};
    }
    return out;
}

byte_vector make(EVP_MAC_CTX* context, std::size_t size, byte_view key, byte_view data)
{
    byte_vector out(size);
    std::size_t written = 0;
    if (EVP_MAC_init(context, key.data(), key.size(), nullptr) != 1 ||
        EVP_MAC_update(context, data.data(), data.size()) != 1 ||
        EVP_MAC_final(context, out.data(), &written, out.size()) != 1 || written != size) {
        throw std::runtime_error{"OpenSSL could not make an HMAC"};
    }
    return out;
}

} // namespace

byte_vector hmac_sha1(byte_view key, byte_view data)
{
    thread_local const mac_context context = context_for("SHA1");
    return make(context.get(), 20, key, data);
}

byte_vector hmac_sha256(byte_view key, byte_view data)
{
    thread_local const mac_context context = context_for("SHA256");
    return make(context.get(), 32, key, data);
}

byte_vector random_bytes(std::size_t count)
{
    byte_vector out(count);
    if (RAND_bytes(out.data(), static_cast<int>(count)) != 1) {
        throw std::runtime_error{"OpenSSL has no random bytes"};
    }
    return out;
}

std::uint64_t random_number()
{
    std::uint64_t out = 0;
    for (const auto byte : random_bytes(sizeof(out))) {
        out = (out << 8U) | byte;
    }
    return out;
}

} // namespace reachd
