<?php

declare(strict_types=1);

namespace Tenantry;

/** What the customer sees: progress and figures, no server and no error text. */
final class ClientPage
{
    private const LABELS = ['web' => 'Website', 'mail' => 'Mail', 'dns' => 'DNS', 'service' => 'Account'];
    private const GAUGES = ['disk' => 'Disk', 'bandwidth' => 'Bandwidth', 'databases' => 'Databases', 'mailboxes' => 'Mailboxes'];

    /** @return array<string, mixed> */
    public static function vars(Views $views, int $service): array
    {
        $row = $views->service($service);
        $steps = $row === null ? [] : $views->timeline($service);
        $done = count(array_filter($steps, static fn (array $step): bool => $step['status'] === 'done'));
        return [
            'status' => $row['status'] ?? 'pending',
            'domain' => $row['domain'] ?? '',
            'progress' => $steps === [] ? 0 : intdiv(100 * $done, count($steps)),
            'areas' => self::areas($steps),
            'gauges' => self::gauges($views->usage($service)[$service] ?? []),
            'certificates' => $row === null ? [] : $views->certificates($service),
            'mayAct' => in_array($row['status'] ?? '', ['active', 'failed'], true),
        ];
    }

    /** @param list<array<string, mixed>> $steps @return array<string, string> */
    private static function areas(array $steps): array
    {
        $found = [];
        foreach ($steps as $step) {
            $label = self::LABELS[explode('.', $step['step'])[0]] ?? 'Other';
            $found[$label][] = $step['status'];
        }
        return array_map(self::joint(...), $found);
    }

    /** @param list<string> $states */
    private static function joint(array $states): string
    {
        if (in_array('error', $states, true)) {
            return 'delayed';
        }
        return array_diff($states, ['done']) === [] ? 'done' : 'in progress';
    }

    /** @param array<string, array{value: int, unit: string}> $usage @return array<string, string> */
    private static function gauges(array $usage): array
    {
        $found = [];
        foreach (array_intersect_key(self::GAUGES, $usage) as $metric => $label) {
            $value = $usage[$metric]['value'];
            $found[$label] = $usage[$metric]['unit'] === 'bytes' ? sprintf('%.1f MB', $value / 1048576) : (string) $value;
        }
        return $found;
    }
}
