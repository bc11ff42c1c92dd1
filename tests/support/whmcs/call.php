<?php

/** Reads {"function", "params"} or {"statements", "params"} from standard input and prints what came of it as JSON. */

declare(strict_types=1);

require __DIR__ . '/bootstrap.php';
require dirname(__DIR__, 3) . '/integrations/whmcs/modules/servers/tenantry/tenantry.php';

$asked = json_decode(stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);

function statements(array $statements, array $params): array
{
    $open = Tenantry\Connection::open($params);
    return array_map(static function (string $statement) use ($open): int {
        try {
            $open->query($statement);
            return 0;
        } catch (PDOException $error) {
            return (int) $error->errorInfo[1];
        }
    }, $statements);
}

function figures(array $params): array
{
    $plain = static fn ($metric): array => [$metric->type(), $metric->usage()->value()];
    $named = static fn (array $metrics): array => array_combine(
        array_map(static fn ($metric) => $metric->systemName(), $metrics),
        array_map($plain, $metrics)
    );
    return array_map($named, tenantry_MetricProvider($params)->usage());
}

$result = match (true) {
    isset($asked['statements']) => statements($asked['statements'], $asked['params']),
    $asked['function'] === 'figures' => figures($asked['params']),
    default => call_user_func('tenantry_' . $asked['function'], $asked['params']),
};
echo json_encode(
    ['result' => $result, 'log' => $moduleLog, 'updates' => WHMCS\Database\Capsule::$updates],
    JSON_THROW_ON_ERROR
);
