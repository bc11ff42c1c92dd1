<?php

declare(strict_types=1);

namespace Tenantry;

use PDO;
use PDOException;

/** Writes requests: one row of `tasks` each, with an idempotency key that makes a repeated click one request. */
final class Requests
{
    private const DUPLICATE = 1062;
    private const OPEN = ['waiting', 'queued', 'running'];

    public function __construct(private PDO $database, private int $service, private string $actor)
    {
    }

    /**
     * Asks for an action. The same wish as the newest one of this service, still open, is not written twice.
     *
     * @param array<string, mixed> $params
     * @param string $same what makes two wishes the same; '' when none is the same as any other (a new password)
     */
    public function ask(string $action, array $params, string $same = '-'): void
    {
        $wish = $action . ':' . ($same === '' ? bin2hex(random_bytes(6)) : substr(hash('sha256', $same), 0, 12));
        $newest = $this->newest();
        $isOpen = $newest !== null && in_array($newest['status'], self::OPEN, true);
        if ($isOpen && str_starts_with((string) $newest['idempotency_key'], "whmcs:{$this->service}:{$wish}:")) {
            return;
        }
        $key = "whmcs:{$this->service}:{$wish}:" . ($newest['id'] ?? 0);
        $insert = 'INSERT INTO tasks (action, service_id, params, idempotency_key, requested_by) VALUES (?, ?, ?, ?, ?)';
        $text = json_encode((object) $params, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
        try {
            $this->database->prepare($insert)->execute([$action, $this->service, $text, $key, $this->actor]);
        } catch (PDOException $error) {
            if ((int) ($error->errorInfo[1] ?? 0) !== self::DUPLICATE) {
                throw $error;
            }
            // The same click, carried out at the same time by another process.
        }
    }

    /** @return array{id: int, idempotency_key: string, status: string}|null */
    private function newest(): ?array
    {
        $query = $this->database->prepare(
            'SELECT id, idempotency_key, status FROM tasks WHERE service_id = ? AND idempotency_key LIKE ? ORDER BY id DESC LIMIT 1'
        );
        $query->execute([$this->service, "whmcs:{$this->service}:%"]);
        return $query->fetch() ?: null;
    }
}
