<?php

/**
 * A stand-in for the parts of WHMCS 8 that a server module meets. WHMCS is sold under a licence, so the tests cannot have it.
 *
 * Names and signatures follow https://developers.whmcs.com/; what the module logs and writes is kept for the test to look at.
 */

declare(strict_types=1);

namespace WHMCS\UsageBilling\Contracts\Metrics {
    interface UnitInterface
    {
    }

    interface UsageInterface
    {
        public function value();
    }

    interface MetricInterface
    {
        public const TYPE_SNAPSHOT = 'snapshot';
        public const TYPE_PERIOD_DAY = 'day';
        public const TYPE_PERIOD_MONTH = 'month';
    }

    interface ProviderInterface
    {
        public function metrics();

        public function usage();

        public function tenantUsage($tenant);
    }
}

namespace WHMCS\UsageBilling\Metrics {
    use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UnitInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UsageInterface;

    class Usage implements UsageInterface
    {
        public function __construct(private $value)
        {
        }

        public function value()
        {
            return $this->value;
        }
    }

    class Metric implements MetricInterface
    {
        public function __construct(
            private string $systemName,
            private ?string $displayName = null,
            private ?string $type = null,
            private ?UnitInterface $units = null,
            private ?UsageInterface $usage = null
        ) {
        }

        public function systemName()
        {
            return $this->systemName;
        }

        public function type()
        {
            return $this->type;
        }

        public function units()
        {
            return $this->units;
        }

        public function usage()
        {
            return $this->usage;
        }

        public function withUsage(?UsageInterface $usage = null)
        {
            return new self($this->systemName, $this->displayName, $this->type, $this->units, $usage);
        }
    }
}

namespace WHMCS\UsageBilling\Metrics\Units {
    use WHMCS\UsageBilling\Contracts\Metrics\UnitInterface;

    class WholeNumber implements UnitInterface
    {
        public function __construct(public string $name)
        {
        }
    }

    class GigaBytes implements UnitInterface
    {
    }
}

namespace WHMCS\Database {
    class Capsule
    {
        public static array $updates = [];
        private array $where = [];

        public static function table(string $name): self
        {
            $made = new self();
            $made->where['table'] = $name;
            return $made;
        }

        public function where(string $column, $value): self
        {
            $this->where[$column] = $value;
            return $this;
        }

        public function update(array $values): int
        {
            self::$updates[] = ['where' => $this->where, 'values' => $values];
            return 1;
        }
    }
}

namespace {
    define('WHMCS', true);

    $moduleLog = [];

    function logModuleCall($module, $action, $request, $response, $processed = null, $replace = []): void
    {
        global $moduleLog;
        $text = json_encode([$module, $action, $request, $response, $processed]);
        $moduleLog[] = str_replace($replace, '*', $text);
    }
}
