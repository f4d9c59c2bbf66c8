// SPDX-License-Identifier: Apache-2.0
// hmac.hpp: HMACs for tests of core, which is given them and makes none.
#pragma once

#include "reachd/core/bytes.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace reachd::test {

inline byte_vector hmac_with(const EVP_MD* digest, byte_view key, byte_view data)
{
    byte_vector out(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    ::HMAC(digest, key.data(), static_cast<int>(key.size()), data.data(), data.size(), out.data(), &size);
    out.resize(size);
    return out;
}
inline byte_vector hmac_sha1(byte_view key, byte_view data)
{
    return hmac_with(EVP_sha1(), key, data);
}
inline byte_vector hmac_sha256(byte_view key, byte_view data)
{
    return hmac_with(EVP_sha256(), key, data);
}

inline byte_vector sha256(byte_view data)
{
    byte_vector out(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    ::EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_sha256(), nullptr);
    out.resize(size);
    return out;
}

} // namespace reachd::test
