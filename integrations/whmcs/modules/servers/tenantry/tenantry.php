<?php

/**
 * WHMCS server module: writes requests into the orchestrator's `tasks` and reads its views, under the user of grants.sql.
 *
 * https://developers.whmcs.com/provisioning-modules/ names the functions and what each returns.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/lib/autoload.php';

use Tenantry\ClientPage;
use Tenantry\Connection;
use Tenantry\Metrics;
use Tenantry\Pages;
use Tenantry\Requests;
use Tenantry\Sealing;
use Tenantry\Views;
use WHMCS\Database\Capsule;

const TENANTRY_MEGABYTE = 1048576;

function tenantry_MetaData(): array
{
    return [
        'DisplayName' => 'Tenantry',
        'APIVersion' => '1.1',
        'RequiresServer' => true,
        'DefaultNonSSLPort' => '3306',
        'DefaultSSLPort' => '3306',
        'ServiceSingleSignOnLabel' => 'Open',
        'ListAccountsUniqueIdentifierDisplayName' => 'Domain',
        'ListAccountsUniqueIdentifierField' => 'domain',
        'ListAccountsProductField' => 'configoption1',
    ];
}

function tenantry_ConfigOptions(): array
{
    return [
        'Package' => ['Type' => 'text', 'Size' => 30, 'Description' => 'Name of a package (tenantry package list)'],
        'Group' => ['Type' => 'text', 'Size' => 30, 'Description' => 'Name of a server group (tenantry group list)'],
        'Mode' => ['Type' => 'dropdown', 'Options' => 'split,unified,vanity', 'Default' => 'split'],
        'Roles' => ['Type' => 'text', 'Size' => 30, 'Default' => 'web,mail,dns', 'Description' => 'Not in mode vanity'],
        'Parent domain' => ['Type' => 'text', 'Size' => 30, 'Description' => 'Only in mode vanity'],
    ];
}

function tenantry_TestConnection(array $params): array
{
    try {
        (new Views(Connection::open($params)))->service(0);
        Sealing::seal(Connection::publicKey($params), 'test');
        return ['success' => true, 'error' => ''];
    } catch (Throwable $error) {
        return ['success' => false, 'error' => tenantry_reason($error)];
    }
}

function tenantry_CreateAccount(array $params): string
{
    return tenantry_ask($params, 'service.create', static function () use ($params): array {
        $mode = (string) ($params['configoption3'] ?: 'split');
        $wish = ['package' => $params['configoption1'], 'group' => $params['configoption2'], 'mode' => $mode];
        if ($mode === 'vanity') {
            $wish += ['vanity_name' => explode('.', $params['domain'])[0], 'parent_domain' => $params['configoption5']];
        } else {
            $wish += ['domain' => $params['domain'], 'roles' => array_map('trim', explode(',', $params['configoption4']))];
        }
        $wish['contact_email'] = (string) ($params['clientsdetails']['email'] ?? '');
        return [array_filter($wish, static fn ($one): bool => $one !== ''), tenantry_sealed($params)];
    });
}

function tenantry_SuspendAccount(array $params): string
{
    $reason = (string) ($params['suspendreason'] ?? '');
    return tenantry_ask($params, 'service.suspend', static fn (): array => [$reason === '' ? [] : ['reason' => $reason], []]);
}

function tenantry_UnsuspendAccount(array $params): string
{
    return tenantry_ask($params, 'service.unsuspend');
}

function tenantry_TerminateAccount(array $params): string
{
    return tenantry_ask($params, 'service.terminate');
}

function tenantry_ChangePackage(array $params): string
{
    return tenantry_ask($params, 'service.change_package', static fn (): array => [['package' => $params['configoption1']], []]);
}

function tenantry_ChangePassword(array $params): string
{
    return tenantry_ask($params, 'service.change_password', static fn (): array => [[], tenantry_sealed($params)], '');
}

/** A renewal changes nothing on the servers; the figures are read anew, so that the next period begins with true ones. */
function tenantry_Renew(array $params): string
{
    return tenantry_ask($params, 'service.sync_usage');
}

function tenantry_AdminCustomButtonArray(): array
{
    return [
        'Redeploy' => 'redeploy',
        'Repair' => 'repair',
        'Factory reset' => 'factoryreset',
        'Issue certificate' => 'issuecertificate',
        'Sync usage' => 'syncusage',
        'Force terminate' => 'forceterminate',
    ];
}

function tenantry_redeploy(array $params): string
{
    return tenantry_ask($params, 'service.redeploy');
}

function tenantry_repair(array $params): string
{
    return tenantry_ask($params, 'service.repair');
}

/** Only asks: the code that confirms is shown to whoever operates the orchestrator (`tenantry task show`). */
function tenantry_factoryreset(array $params): string
{
    return tenantry_ask($params, 'service.factory_reset');
}

function tenantry_issuecertificate(array $params): string
{
    return tenantry_ask($params, 'certificate.issue');
}

function tenantry_syncusage(array $params): string
{
    return tenantry_ask($params, 'service.sync_usage');
}

function tenantry_forceterminate(array $params): string
{
    return tenantry_ask($params, 'service.terminate', static fn (): array => [['force' => true], []]);
}

function tenantry_ClientAreaCustomButtonArray(): array
{
    return ['Sync now' => 'clientsync', 'Try again' => 'clientretry'];
}

function tenantry_clientsync(array $params): string
{
    return tenantry_clientAsk($params, 'service.sync_usage', ['active']);
}

function tenantry_clientretry(array $params): string
{
    return tenantry_clientAsk($params, 'service.redeploy', ['failed']);
}

function tenantry_ClientArea(array $params): array
{
    try {
        $vars = ClientPage::vars(new Views(Connection::open($params)), (int) $params['serviceid']);
        return ['tabOverviewReplacementTemplate' => 'templates/overview.tpl', 'templateVariables' => $vars];
    } catch (Throwable $error) {
        tenantry_log('ClientArea', $params, tenantry_reason($error));
        return ['tabOverviewReplacementTemplate' => 'error.tpl', 'templateVariables' => ['usefulErrorHelper' => 'Not available now.']];
    }
}

function tenantry_AdminServicesTabFields(array $params): array
{
    try {
        $views = new Views(Connection::open($params));
        $row = $views->service((int) $params['serviceid']);
        if ($row === null) {
            return ['Tenantry' => 'Not ordered yet, or the order was refused.'];
        }
        $open = static fn (array $step): bool => $step['status'] !== 'done';
        $lines = array_map(
            static fn (array $step): string => trim("{$step['step']} {$step['server']} {$step['status']} {$step['error']}"),
            array_filter($views->timeline((int) $row['id']), $open)
        );
        $fields = ['Status' => $row['status'], 'Servers' => (string) $row['servers'], 'Error' => (string) $row['error']];
        $shown = array_map(static fn (string $text): string => htmlspecialchars($text, ENT_QUOTES), $fields);
        return $shown + ['Open steps' => nl2br(htmlspecialchars(implode("\n", $lines), ENT_QUOTES))];
    } catch (Throwable $error) {
        return ['Tenantry' => htmlspecialchars(tenantry_reason($error), ENT_QUOTES)];
    }
}

/** The customer is led to the page of the service, which also shows how a new one comes to be; without pages, to the website. */
function tenantry_ServiceSingleSignOn(array $params): array
{
    try {
        $page = Pages::link($params);
        if ($page !== null) {
            return ['success' => true, 'redirectTo' => $page];
        }
        $row = (new Views(Connection::open($params)))->service((int) $params['serviceid']);
        if (($row['status'] ?? '') !== 'active') {
            return ['success' => false, 'errorMsg' => 'The service is not active.'];
        }
        return ['success' => true, 'redirectTo' => 'https://' . $row['domain'] . '/'];
    } catch (Throwable $error) {
        return ['success' => false, 'errorMsg' => tenantry_reason($error)];
    }
}

function tenantry_ListAccounts(array $params): array
{
    try {
        $accounts = array_map(static fn (array $row): array => [
            'email' => '',
            'username' => '',
            'domain' => $row['domain'],
            'uniqueIdentifier' => $row['domain'],
            'product' => '',
            'primaryip' => '',
            'created' => substr((string) $row['updated_at'], 0, 19),
            'status' => str_starts_with($row['status'], 'suspend') ? 'Suspended' : 'Active',
        ], (new Views(Connection::open($params)))->services());
        return ['success' => true, 'accounts' => $accounts];
    } catch (Throwable $error) {
        return ['success' => false, 'error' => tenantry_reason($error)];
    }
}

/** Once a day for each server: disk and traffic of each service, in MB. */
function tenantry_UsageUpdate(array $params): void
{
    try {
        foreach ((new Views(Connection::open($params)))->usage() as $service => $figures) {
            $values = array_filter([
                'diskusage' => tenantry_megabytes($figures, 'disk'),
                'bwusage' => tenantry_megabytes($figures, 'bandwidth'),
            ], static fn (?int $one): bool => $one !== null);
            if ($values !== []) {
                Capsule::table('tblhosting')->where('id', $service)->where('server', $params['serverid'])
                    ->update($values + ['lastupdate' => gmdate('Y-m-d H:i:s')]);
            }
        }
    } catch (Throwable $error) {
        tenantry_log('UsageUpdate', $params, tenantry_reason($error));
    }
}

function tenantry_MetricProvider(array $params): Metrics
{
    return new Metrics($params);
}

/** @param array<string, array{value: int, unit: string}> $figures */
function tenantry_megabytes(array $figures, string $metric): ?int
{
    return isset($figures[$metric]) ? intdiv($figures[$metric]['value'], TENANTRY_MEGABYTE) : null;
}

/** @return array<string, string> */
function tenantry_sealed(array $params): array
{
    $secret = (string) ($params['password'] ?? '');
    return $secret === '' ? [] : ['password_sealed' => Sealing::seal(Connection::publicKey($params), $secret)];
}

/**
 * Writes one request and returns "success", or what to tell the staff.
 *
 * @param callable|null $wish returns [parameters, sealed parameters]; two wishes are the same when the first ones are
 */
function tenantry_ask(array $params, string $action, ?callable $wish = null, ?string $same = null): string
{
    try {
        [$plain, $sealed] = $wish === null ? [[], []] : $wish();
        $requests = new Requests(Connection::open($params), (int) $params['serviceid'], 'whmcs');
        $requests->ask($action, $plain + $sealed, $same ?? json_encode($plain, JSON_THROW_ON_ERROR));
        tenantry_log($action, $params, 'success', $plain);
        return 'success';
    } catch (Throwable $error) {
        tenantry_log($action, $params, tenantry_reason($error));
        return tenantry_reason($error);
    }
}

/** @param list<string> $allowed statuses of the service in which a customer may ask */
function tenantry_clientAsk(array $params, string $action, array $allowed): string
{
    try {
        $row = (new Views(Connection::open($params)))->service((int) $params['serviceid']);
    } catch (Throwable $error) {
        tenantry_log($action, $params, tenantry_reason($error));
        return 'Not available now, please try again later.';
    }
    if (($params['status'] ?? 'Active') !== 'Active' || !in_array($row['status'] ?? '', $allowed, true)) {
        return 'This is not possible while the service is ' . ($row['status'] ?? 'not ready') . '.';
    }
    return tenantry_ask($params, $action) === 'success' ? 'success' : 'Not available now, please try again later.';
}

function tenantry_reason(Throwable $error): string
{
    return $error instanceof PDOException
        ? 'The orchestrator\'s database: ' . preg_replace('/\s+/', ' ', $error->getMessage())
        : $error->getMessage();
}

/** @param array<string, mixed> $request */
function tenantry_log(string $action, array $params, string $answer, array $request = []): void
{
    $secrets = array_filter([$params['password'] ?? '', $params['serverpassword'] ?? '']);
    logModuleCall('tenantry', $action, ['serviceid' => $params['serviceid'] ?? null] + $request, $answer, $answer, $secrets);
}
