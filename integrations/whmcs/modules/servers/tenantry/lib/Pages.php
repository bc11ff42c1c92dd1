<?php

declare(strict_types=1);

namespace Tenantry;

use RuntimeException;

/** Customers' pages: asks the orchestrator's HTTP API for a link that opens one service's page for a while. */
final class Pages
{
    private const SECONDS = 10;

    /** Returns where to lead the customer, null where the field "Access Hash" names no pages. */
    public static function link(array $params): ?string
    {
        $extras = Connection::extras((string) ($params['serveraccesshash'] ?? ''));
        $pages = rtrim($extras['pages'] ?? '', '/');
        if ($pages === '') {
            return null;
        }
        if (!preg_match('#^(https://|http://(127\.0\.0\.1|localhost)(:|/|$))#', "{$pages}/") || ($extras['token'] ?? '') === '') {
            throw new RuntimeException('The field "Access Hash" needs pages=https://… and token=… of the scope link.');
        }
        $answer = self::post("{$pages}/v1/services/" . (int) $params['serviceid'] . '/link', $extras['token']);
        $path = json_decode($answer, true)['path'] ?? '';
        if (!is_string($path) || !preg_match('#^/s/[A-Za-z0-9._-]+/$#', $path)) {
            throw new RuntimeException('The pages gave no link; is the token right, with the scope link, and not expired?');
        }
        return $pages . $path;
    }

    private static function post(string $address, string $token): string
    {
        $context = stream_context_create(['http' => [
            'method' => 'POST',
            'header' => "Authorization: Bearer {$token}\r\nContent-Length: 0\r\n",
            'content' => '',
            'timeout' => self::SECONDS,
            'follow_location' => 0,
            'ignore_errors' => true,
        ]]);
        $answer = @file_get_contents($address, false, $context, 0, 65536);
        if ($answer === false) {
            throw new RuntimeException('The pages cannot be reached; check pages= in the field "Access Hash".');
        }
        return $answer;
    }
}
