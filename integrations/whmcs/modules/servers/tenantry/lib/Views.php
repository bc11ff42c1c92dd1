<?php

declare(strict_types=1);

namespace Tenantry;

use PDO;

/** Reads the views that the billing user may see. */
final class Views
{
    public function __construct(private PDO $database)
    {
    }

    /** @return array<string, mixed>|null */
    public function service(int $id): ?array
    {
        return $this->rows('SELECT id, domain, status, mode, error, servers, updated_at FROM v_services WHERE id = ?', [$id])[0] ?? null;
    }

    /** @return list<array<string, mixed>> */
    public function services(): array
    {
        return $this->rows("SELECT id, domain, status, updated_at FROM v_services WHERE status <> 'terminated' ORDER BY id", []);
    }

    /** The steps of the newest operation of a service. @return list<array<string, mixed>> */
    public function timeline(int $service): array
    {
        return $this->rows(
            'SELECT step, server, status, attempts, started_at, finished_at, error FROM v_timeline WHERE service_id = ?'
            . ' AND operation_id = (SELECT MAX(operation_id) FROM v_timeline WHERE service_id = ?)'
            . ' ORDER BY finished_at IS NULL, finished_at, step',
            [$service, $service]
        );
    }

    /** @return list<array<string, mixed>> */
    public function certificates(int $service): array
    {
        return $this->rows('SELECT role, state, not_after FROM v_certificates WHERE service_id = ? ORDER BY role', [$service]);
    }

    /**
     * The newest figure of every metric, by service and metric. A counter of a month that is over is left out: it would be billed again.
     *
     * @return array<int, array<string, array{value: int, unit: string}>>
     */
    public function usage(?int $service = null): array
    {
        $query = 'SELECT service_id, metric, value, unit, period FROM v_usage';
        $rows = $service === null
            ? $this->rows($query . ' ORDER BY collected_at, period', [])
            : $this->rows($query . ' WHERE service_id = ? ORDER BY collected_at, period', [$service]);
        $month = date('Y-m'); // WHMCS bills in its own time zone: usage.timezone has to be the same
        $found = [];
        foreach ($rows as $row) {
            if (preg_match('/^\d{4}-\d{2}$/', $row['period']) && $row['period'] !== $month) {
                continue;
            }
            $found[(int) $row['service_id']][$row['metric']] = ['value' => (int) $row['value'], 'unit' => $row['unit']];
        }
        return $found;
    }

    /** @param list<mixed> $values @return list<array<string, mixed>> */
    private function rows(string $query, array $values): array
    {
        $asked = $this->database->prepare($query);
        $asked->execute($values);
        return $asked->fetchAll();
    }
}
