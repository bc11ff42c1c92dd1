<?php

declare(strict_types=1);

namespace Tenantry;

use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
use WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface;
use WHMCS\UsageBilling\Metrics\Metric;
use WHMCS\UsageBilling\Metrics\Units\GigaBytes;
use WHMCS\UsageBilling\Metrics\Units\WholeNumber;
use WHMCS\UsageBilling\Metrics\Usage;

/** Figures for usage billing; tenants are named by their domain, as in ListAccounts. */
final class Metrics implements ProviderInterface
{
    private const GIGABYTE = 1073741824;

    /** @param array<string, mixed> $params */
    public function __construct(private array $params)
    {
    }

    /** Called without a server too, so it asks nobody. @return list<Metric> */
    public function metrics(): array
    {
        return [
            new Metric('disk', 'Disk', MetricInterface::TYPE_SNAPSHOT, new GigaBytes()),
            new Metric('bandwidth', 'Bandwidth', MetricInterface::TYPE_PERIOD_MONTH, new GigaBytes()),
            new Metric('databases', 'Databases', MetricInterface::TYPE_SNAPSHOT, new WholeNumber('Databases')),
            new Metric('mailboxes', 'Mailboxes', MetricInterface::TYPE_SNAPSHOT, new WholeNumber('Mailboxes')),
        ];
    }

    /** @return array<string, list<Metric>> */
    public function usage(): array
    {
        $views = new Views(Connection::open($this->params));
        $figures = $views->usage();
        $found = [];
        foreach ($views->services() as $service) {
            $found[$service['domain']] = $this->withUsage($figures[(int) $service['id']] ?? []);
        }
        return $found;
    }

    /** @return list<Metric> */
    public function tenantUsage($tenant): array
    {
        return $this->usage()[$tenant] ?? [];
    }

    /**
     * A figure that is not known is left out; one that is 0 is told, or the last one would stay.
     *
     * @param array<string, array{value: int, unit: string}> $figures
     * @return list<Metric>
     */
    private function withUsage(array $figures): array
    {
        $found = [];
        foreach ($this->metrics() as $metric) {
            $figure = $figures[$metric->systemName()] ?? null;
            if ($figure !== null) {
                $value = $metric->units() instanceof GigaBytes ? $figure['value'] / self::GIGABYTE : $figure['value'];
                $found[] = $metric->withUsage(new Usage($value));
            }
        }
        return $found;
    }
}
