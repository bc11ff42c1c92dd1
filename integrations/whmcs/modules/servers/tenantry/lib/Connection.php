<?php

declare(strict_types=1);

namespace Tenantry;

use PDO;
use RuntimeException;

/**
 * The database of the orchestrator, under the billing user of grants.sql.
 *
 * In WHMCS's server: hostname, port, username and password are those of the database. The field "Access Hash" holds the orchestrator's
 * public key (`tenantry keys show-public`); lines before it may set `database=NAME` and `ca=/path/of/ca.pem`, and for customers' pages
 * `pages=https://panel.example` and `token=` with a token of the scope link.
 */
final class Connection
{
    private const SECONDS = 10;

    /** @param array<string, mixed> $params WHMCS's parameters of a module call */
    public static function open(array $params): PDO
    {
        $extras = self::extras((string) ($params['serveraccesshash'] ?? ''));
        $host = (string) ($params['serverhostname'] ?? '') ?: (string) ($params['serverip'] ?? '');
        if ($host === '') {
            throw new RuntimeException('The server has no hostname; set it to that of the orchestrator\'s database.');
        }
        $port = (int) ($params['serverport'] ?? 0) ?: 3306;
        $options = [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::ATTR_TIMEOUT => self::SECONDS,
        ];
        if (!empty($params['serversecure'])) {
            $options[PDO::MYSQL_ATTR_SSL_CA] = $extras['ca'] ?? '/etc/ssl/certs/ca-certificates.crt';
            $options[PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT] = true;
        }
        $name = $extras['database'] ?? 'tenantry';
        $source = "mysql:host={$host};port={$port};dbname={$name};charset=utf8mb4";
        $open = new PDO($source, (string) $params['serverusername'], (string) $params['serverpassword'], $options);
        $open->exec("SET time_zone = '+00:00', innodb_lock_wait_timeout = " . self::SECONDS);
        return $open;
    }

    /** Returns the public key in the field "Access Hash". */
    public static function publicKey(array $params): string
    {
        $text = (string) ($params['serveraccesshash'] ?? '');
        if (!preg_match('/-----BEGIN PUBLIC KEY-----.+-----END PUBLIC KEY-----/s', $text, $found)) {
            throw new RuntimeException('The field "Access Hash" holds no public key; paste `tenantry keys show-public`.');
        }
        return $found[0];
    }

    /** @return array<string, string> */
    public static function extras(string $text): array
    {
        preg_match_all('/^\s*(database|ca|pages|token)=(\S+)\s*$/m', $text, $found, PREG_SET_ORDER);
        $extras = array_column($found, 2, 1);
        if (preg_match('/[^A-Za-z0-9_]/', $extras['database'] ?? '')) {
            throw new RuntimeException('database= in the field "Access Hash" may hold letters, digits and underscores.');
        }
        return $extras;
    }
}
