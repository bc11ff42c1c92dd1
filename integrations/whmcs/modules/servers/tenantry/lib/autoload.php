<?php

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (preg_match('/^Tenantry\\\\([A-Za-z]+)$/', $class, $found) && is_file(__DIR__ . "/{$found[1]}.php")) {
        require_once __DIR__ . "/{$found[1]}.php";
    }
});
