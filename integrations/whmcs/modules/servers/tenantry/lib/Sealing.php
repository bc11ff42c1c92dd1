<?php

declare(strict_types=1);

namespace Tenantry;

use RuntimeException;

/** Seals a secret to the orchestrator's key: RSA-OAEP with SHA-256 (RFC 8017, 7.1.1), base64. */
final class Sealing
{
    private const HASH = 'sha256';
    private const HASH_BYTES = 32;

    /** PHP's own OAEP is SHA-1 before 8.5; so the padding is made here and the key applied to the padded block. */
    public static function seal(string $pem, string $secret): string
    {
        $key = openssl_pkey_get_public($pem);
        $details = $key === false ? false : openssl_pkey_get_details($key);
        if ($details === false || $details['type'] !== OPENSSL_KEYTYPE_RSA) {
            throw new RuntimeException('The public key cannot be read; paste `tenantry keys show-public` anew.');
        }
        $padded = self::padded($secret, intdiv($details['bits'] + 7, 8));
        if (!openssl_public_encrypt($padded, $sealed, $key, OPENSSL_NO_PADDING)) {
            throw new RuntimeException('The secret could not be sealed.');
        }
        return base64_encode($sealed);
    }

    private static function padded(string $secret, int $size): string
    {
        $room = $size - 2 * self::HASH_BYTES - 2;
        if (strlen($secret) > $room || strlen($secret) > 256) {
            throw new RuntimeException('The password is too long; 256 bytes are the most.');
        }
        $fill = str_repeat("\0", $room - strlen($secret));
        $block = hash(self::HASH, '', true) . $fill . "\x01" . $secret;
        $seed = random_bytes(self::HASH_BYTES);
        $maskedBlock = $block ^ self::mask($seed, strlen($block));
        $maskedSeed = $seed ^ self::mask($maskedBlock, self::HASH_BYTES);
        return "\0" . $maskedSeed . $maskedBlock;
    }

    /** MGF1 (RFC 8017, B.2.1). */
    private static function mask(string $seed, int $length): string
    {
        $mask = '';
        for ($counter = 0; strlen($mask) < $length; $counter++) {
            $mask .= hash(self::HASH, $seed . pack('N', $counter), true);
        }
        return substr($mask, 0, $length);
    }
}
